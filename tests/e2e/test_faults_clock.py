"""The wall clock is set while the process runs: forward and back, by hours and by years.

libfaketime stands before the program and reads from a file how far its clock is off. The monotonic
clock, which nobody can set, is left as it is.
"""
import calendar
import glob
import json
import os
import signal
import tempfile
import time

from client import message, text_of
from harness import Gateway, Skip, program, wait_for
from test_bedrock import STATIC
from test_doctor import TlsUpstream, certificate, findings
from test_faults_processes import calls_ended
from test_limits import ask, limited, refused
from test_processes import Nginx, Setup, held, open_stream
from test_routing import SAFE, Pair, fails
from test_trace import Traced
from upstream import Upstream

LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib*/faketime/libfaketimeMT.so.1",
             "/usr/local/lib/faketime/libfaketimeMT.so.1")
HOURS, YEARS = 3 * 3600, 3 * 365 * 86400
STEPS = (HOURS, -HOURS, YEARS, -YEARS)


def sanitized():
    """A program with a sanitizer can't be started behind a library (LD_PRELOAD)."""
    with open(program(), "rb") as f:
        text = f.read()
    return b"__asan_init" in text or b"__tsan_init" in text


def library():
    """Its path; None for a program that can't be started behind it."""
    if sanitized():
        return None
    found = [path for pattern in LIBRARIES for path in glob.glob(pattern)]
    if not found:
        raise Skip("libfaketime is not installed")
    return found[0]


def faked(lib, path):
    """Variables for a program whose clock is off by what stands in this file."""
    return {"LD_PRELOAD": lib, "FAKETIME_TIMESTAMP_FILE": path, "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def set_clock(setup, seconds):
    """How far the clock of this gateway is off from now on."""
    path = setup.gateway.path("clock")
    with open(path + ".new", "w") as f:
        f.write("%+d\n" % seconds)
    os.chmod(path + ".new", 0o644)
    os.rename(path + ".new", path)


def each_step(check, setup_class=Setup, *args, **settings):
    lib = library()
    for seconds in STEPS if lib else ():
        setup = setup_class(Nginx, *args, **settings)
        set_clock(setup, 0)
        setup.gateway.env.update(faked(lib, setup.gateway.path("clock")))
        with setup:
            check(setup, seconds)
            assert setup.server.gateway_process.poll() is None
            wait_for(lambda: abs(logged(setup) - time.time() - seconds) < 600, 10,
                     "its clock is set")


def logged(setup):
    """When the last line of the log was written, by the program's own clock."""
    with open(setup.gateway.log) as f:
        said = json.loads(f.readlines()[-1])["time"]
    return calendar.timegm(time.strptime(said[:19], "%Y-%m-%dT%H:%M:%S"))


def test_the_clock_is_set_in_a_stream():
    """Pings go on in their time, it ends as it would have, and so does the connection's next
    request; no time limit is met early."""
    def check(setup, seconds):
        go = held(setup.upstream)
        client, stream = open_stream(setup)
        set_clock(setup, seconds)
        start = time.monotonic()
        pings = 0
        for name, _, _ in stream:
            pings += name == "ping"
            if pings == 2:
                break
        assert time.monotonic() - start > 1, "pings don't follow the clock"
        go.set()
        assert text_of(stream) == "b"
        setup.upstream.reset()
        for _ in range(2):
            assert client.ask("POST", "/v1/messages", message()).status == 200
        client.close()
        calls_ended(setup)

    each_step(check, backend="retries = 0; idle_timeout = 20; timeout = 60;")


def test_the_clock_is_set_while_a_backend_is_silent():
    """Its time limit is met when it should be."""
    def check(setup, seconds):
        go = held(setup.upstream)
        client, stream = open_stream(setup)
        set_clock(setup, seconds)
        start = time.monotonic()
        name, data, _ = [e for e in stream if e[0] not in (":", "ping")][-1]
        assert name == "error" and data["error"]["type"] == "timeout_error", (name, data)
        assert 1 < time.monotonic() - start < 15
        go.set()
        client.close()
        calls_ended(setup)

    each_step(check, backend="retries = 0; idle_timeout = 2; timeout = 60;")


def test_the_clock_is_set_between_limited_requests():
    """What was spent in the last minute stays spent, and is not spent for longer."""
    def check(setup, seconds):
        for _ in range(2):
            assert ask(setup).status == 200
        refused(ask(setup), 429, "rate_limit_error")
        set_clock(setup, seconds)
        answer = refused(ask(setup), 429, "rate_limit_error")
        assert 1 <= int(answer.headers["retry-after"]) <= 60, answer.headers.items()

    each_step(check, access=limited("requests_per_minute = 2;"))


def test_the_clock_is_set_while_a_backend_rests():
    """Set back it could rest for years: it is asked again. Set forward, its rest is over."""
    def check(setup, seconds):
        setup.upstream.reset(fails(500))
        for _ in range(3):
            assert setup.ask(model="safe").headers["x-messages-backend"] == "LAB"
        assert len(setup.upstream.calls) == 1, "it rests"
        setup.upstream.reset()
        set_clock(setup, seconds)
        assert setup.ask(model="safe").headers["x-messages-backend"] == "test"

    each_step(check, Pair, SAFE % (1, 300))


def test_what_a_quiet_program_does():
    """Each half minute of its own clock, which goes forward here, without any request: connections
    that nobody has used for a minute are closed, and error files are tidied."""
    lib = library()
    if not lib:
        return
    days_ago = time.time() - 3 * 86400
    kept = "errors/errors_%s.jsonl" % time.strftime("%Y-%m-%d", time.gmtime(days_ago))
    setup = Traced(Nginx)
    os.mkdir(os.path.join(setup.dir, "errors"))
    os.chmod(os.path.join(setup.dir, "errors"), 0o777)
    for name in (kept, "errors/errors_2001-01-01.jsonl"):
        path = os.path.join(setup.dir, name)
        with open(path, "w") as f:
            f.write("{}\n")
        os.utime(path, (days_ago, days_ago))
    set_clock(setup, 0)
    fake = faked(lib, setup.gateway.path("clock"))
    del fake["FAKETIME_DONT_FAKE_MONOTONIC"]
    setup.gateway.env.update(fake)
    with setup:
        setup.upstream.reset(lambda call: call.whole(200, {"choices": [
            {"index": 0, "finish_reason": "stop", "message": {"content": "Hello"}}]}))
        assert ask(setup).status == 200
        assert setup.upstream.open == 1, "the connection is not kept"
        for seconds, files, connections in ((31, [kept + ".gz"], 1), (62, [kept + ".gz"], 0)):
            set_clock(setup, seconds)
            # Any signal makes it look at its clock.
            setup.server.gateway_process.send_signal(signal.SIGHUP)
            wait_for(lambda: setup.files() == files and setup.upstream.open == connections, 10,
                     "what is too old is gone after %d s" % seconds)


def doctor(lib, gateway, seconds):
    """What is wrong, by id, to a doctor whose clock is off by this."""
    path = gateway.path("doctor-clock")
    with open(path, "w") as f:
        f.write("%+d\n" % seconds)
    found = findings(gateway, env=faked(lib, path))
    return {f["id"]: f for f in found if f["level"] == "error"}


def test_the_doctor_names_the_clock():
    """Before the program was made certificates aren't valid yet, and signatures are refused: the
    clock is named beside what it breaks."""
    lib = library()
    if not lib:
        return
    with tempfile.TemporaryDirectory() as folder:
        key, cert = certificate(folder)
        upstream = TlsUpstream(key, cert)
        gateway = Gateway(upstream, base_url="https://127.0.0.1:%d/v1" % upstream.port,
                          backend='retries = 0; ca_file = "%s";' % cert)
        try:
            assert not doctor(lib, gateway, 0)
            found = doctor(lib, gateway, -YEARS)
            assert set(found) == {"clock.early", "backend.certificate"}, found
            said = found["clock.early"]
            year = time.gmtime(time.time() - YEARS).tm_year
            assert "The clock says %d-" % year in said["finding"], said
            assert "timedatectl" in said["do"] and "not valid yet" in said["why"], said
            assert "not yet valid" in found["backend.certificate"]["finding"], found
        finally:
            gateway.close()
            upstream.close()


def test_the_doctor_names_the_clock_of_signatures():
    lib = library()
    upstream = Upstream() if lib else None
    if not upstream:
        return
    gateway = Gateway(upstream, dialect="bedrock", key="", backend="retries = 0; " + STATIC,
                      base_url="http://127.0.0.1:%d" % upstream.port)
    upstream.reset(lambda call: call.whole(403, {"message": "Signature expired: is now earlier"}))
    try:
        found = doctor(lib, gateway, -YEARS)
        assert {"clock.early", "backend.key"} <= set(found), found
        assert "refused" in found["clock.early"]["why"], found
        assert "Signature expired" in found["backend.key"]["finding"], found
    finally:
        gateway.close()
        upstream.close()
