"""Faults around the process: the web server or the program is killed or told to end, disks and
descriptors and memory run out, files go away under it.

After each of them requests are served, by the same process where it could live on, and no call to
the backend is left running.
"""
import http.client
import json
import os
import resource
import shutil
import signal
import subprocess
import threading
import time

import harness
from client import message
from grammar import check_answer, check_stream, records
from harness import ApacheCgi, ApacheFcgid, Lighttpd, alive, processes_below, wait_for
from test_faults_upstream import OK, ask, check, settings
from test_processes import Nginx, Setup
from upstream import hello


enough = threading.Event()


def endless(call):
    """A stream that goes on until the gateway ends the call, or there is enough of it."""
    if not call.json["model"].startswith("endless"):
        hello(call)
        return
    call.begin()
    while call.gone(0.1) is None:
        call.text("on and on ")
        if enough.is_set():
            call.end()
            return


class Streaming:
    """A client that reads an endless stream in a thread of its own."""

    def __init__(self, setup):
        self.client = setup.client()
        self.response = self.client.send(
            "POST", "/v1/messages", json.dumps(message(stream=True, model="endless stream")))
        self.data = b""
        self.begun = threading.Event()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        assert self.begun.wait(10 * harness.SLOWNESS), "the stream does not begin"

    def read(self):
        try:
            while True:
                more = self.response.read1(65536)
                if not more:
                    break
                self.data += more
                if b"on and on" in self.data:
                    self.begun.set()
        except (OSError, ValueError, http.client.HTTPException):
            pass        # however it is cut, it has ended

    def end(self, timeout=15 * harness.SLOWNESS):
        """All that came, once the stream has ended."""
        self.thread.join(timeout)
        assert not self.thread.is_alive(), "the stream goes on"
        self.client.close()
        return self.data.decode()


def programs(setup):
    """Process ids of the gateway."""
    return processes_below(setup.gateway.dir)


def calls_ended(setup, seconds=8):
    wait_for(lambda: setup.upstream.running == 0, seconds, "every call has ended")


def served(setup):
    check(ask(setup, "after", True), OK, "Hello there")
    check(ask(setup, "after", False), OK, "Hello there")


def served_again(setup):
    """The web server starts the program anew, which it may need a second for."""
    def again():
        try:
            served(setup)
            return True
        except (AssertionError, OSError, ValueError):
            return False

    wait_for(again, 10, "%s: it is served again" % setup.server.name)


def start(server_class, **more):
    setup = Setup(server_class, **settings(backend="retries = 0;", shutdown_grace=2, **more))
    setup.upstream.reset(endless)
    enough.clear()
    return setup


# ---- the web server ----

def test_the_web_server_is_killed():
    """The program that it has started learns of it at its next write, and ends with its calls."""
    for server_class in (Lighttpd, ApacheFcgid, ApacheCgi):
        with start(server_class) as setup:
            stream = Streaming(setup)
            found = programs(setup)
            assert found
            server = setup.server.processes[0]
            children = below(server.pid)
            server.kill()
            server.wait()
            for pid in children - set(found):
                end(pid, signal.SIGKILL)
            calls_ended(setup)
            stream.end()
            wait_for(lambda: not any(alive(pid) for pid in found), 15,
                     "%s: the program ends" % server_class.name)
            setup.server.processes.clear()


def end(pid, sig):
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        pass


def below(pid):
    """Ids of all processes that descend from this one."""
    parents = {}
    for stat in os.listdir("/proc"):
        if stat.isdigit():
            try:
                with open("/proc/%s/stat" % stat) as f:
                    parents[int(stat)] = int(f.read().rsplit(")", 1)[1].split()[1])
            except OSError:
                pass
    found, todo = set(), [pid]
    while todo:
        one = todo.pop()
        more = {child for child, parent in parents.items() if parent == one}
        found |= more
        todo += more
    return found


def test_lighttpd_term():
    """It drops its clients; the program ends with its calls."""
    with start(Lighttpd) as setup:
        stream = Streaming(setup)
        setup.server.processes[0].send_signal(signal.SIGTERM)
        stream.end()
        calls_ended(setup)
        setup.server.processes[0].wait(10 * harness.SLOWNESS)
        wait_for(lambda: not programs(setup), 10, "the program ends")


def test_lighttpd_int_and_usr1():
    """Both let a stream end as it would have; after USR1 it is served again."""
    for sig in (signal.SIGINT, signal.SIGUSR1):
        with start(Lighttpd) as setup:
            enough.clear()
            stream = Streaming(setup)
            setup.server.processes[0].send_signal(sig)
            time.sleep(0.5)
            enough.set()
            text, error = check_stream(stream.end())
            assert error is None and text.startswith("on and on"), error
            calls_ended(setup)
            if sig == signal.SIGUSR1:
                served_again(setup)
            else:
                setup.server.processes[0].wait(10 * harness.SLOWNESS)
                wait_for(lambda: not programs(setup), 10, "the program ends")


def test_apache_graceful():
    """A stream is let go on for the program's grace and ends in good form; the next request is
    served by the new program."""
    with start(ApacheFcgid) as setup:
        stream = Streaming(setup)
        before = programs(setup)
        setup.server.processes[0].send_signal(signal.SIGUSR1)
        text = stream.end()
        assert [name for name, _ in records(text)][-1] == "error", text[-300:]
        calls_ended(setup)
        served(setup)
        wait_for(lambda: not set(before) & set(programs(setup)), 10, "the old program ends")


# ---- the process ----

def test_the_process_is_killed():
    """Its streams are cut, which clients tell from an end; the next request starts it anew."""
    for server_class in (Lighttpd, ApacheFcgid, ApacheCgi):
        with start(server_class) as setup:
            stream = Streaming(setup)
            for pid in programs(setup):
                end(pid, signal.SIGKILL)
            calls_ended(setup)
            assert "message_stop" not in stream.end()

            served_again(setup)


def test_the_process_is_told_to_end():
    """Its streams end with an error event after the grace; the next request starts it anew."""
    for server_class in (Lighttpd, ApacheFcgid):
        with start(server_class) as setup:
            stream = Streaming(setup)
            for pid in programs(setup):
                end(pid, signal.SIGTERM)
            text = stream.end()
            last = list(records(text))[-1]
            assert last[0] == "error", text[-300:]
            assert last[1]["error"]["type"] == "overloaded_error", last
            calls_ended(setup)
            served_again(setup)


# ---- what runs out ----

def test_disk_full():
    """The log's and the state's disk are full: requests go on. The second where mount is permitted
    alone."""
    with start(Nginx, log="/dev/full") as setup:
        for _ in range(3):
            served(setup)
        assert setup.server.gateway_process.poll() is None
    setup = start(Nginx)
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4096,mode=777", "tmpfs",
                        setup.gateway.state], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        setup.__exit__()
        return
    try:
        with open(os.path.join(setup.gateway.state, "filler"), "w") as f:
            f.write("x" * 4096)
        with setup:
            for _ in range(3):
                served(setup)
            assert setup.server.gateway_process.poll() is None
    finally:
        subprocess.run(["umount", "-l", setup.gateway.state], check=False)
        shutil.rmtree(setup.gateway.dir, ignore_errors=True)    # a mount point could not go before


FULL = 256 * 1024       # bytes of the disk


class SmallDisk:
    """All that the gateway writes lies on a disk of its own, where mount is permitted; else its
    files may not grow."""

    def __init__(self, setup):
        self.setup = setup
        self.dir = setup.gateway.path("disk")
        os.mkdir(self.dir)
        self.mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=%d,mode=777" % FULL, "tmpfs", self.dir],
            check=False, capture_output=True).returncode == 0
        for name in ("state", "logs", "captures"):
            os.mkdir(self.path(name))
            os.chmod(self.path(name), 0o777)
        log = self.path("gateway.log")
        with open(log, "w"):
            os.chmod(log, 0o666)
        setup.gateway.log, setup.gateway.state = log, self.path("state")
        setup.gateway.write(
            log_level='info"; dir = "%s' % self.path("logs"),
            access="""mode = "keys"; keys = ( { name = "e2e"; sha256 = "%s"; streams = 9;
                endpoints = ( "messages", "capture", "health" ); } );""" %
            harness.sha256(harness.KEY), more='capture = { dir = "%s"; };' % self.path("captures"))

    def path(self, name):
        return os.path.join(self.dir, name)

    def fill(self, pid):
        if not self.mounted:
            self.limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, self.limits[1]))
            return
        with open(self.path("filler"), "wb", 0) as f:
            try:
                while f.write(b"x" * 512):
                    pass
            except OSError:
                pass

    def free(self, pid):
        if self.mounted:
            os.unlink(self.path("filler"))
        else:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, self.limits)

    def close(self):
        if self.mounted:
            subprocess.run(["umount", "-l", self.dir], check=False)
            shutil.rmtree(self.setup.gateway.dir, ignore_errors=True)


def captured(setup):
    """The status of a request that is to be captured."""
    with setup.client() as client:
        return client.ask("POST", "/v1/messages", message(model="after"),
                          {"x-debug-capture": "1"}).status


def failed(call):
    call.whole(500, {"error": {"message": "no"}})


def stands_still(setup):
    """A file's last page may have some room left."""
    size = os.path.getsize(setup.gateway.log)
    served(setup)
    return os.path.getsize(setup.gateway.log) == size


def test_everything_is_on_a_full_disk():
    """Log, error entries, captures, shared tables: none of them is written, requests are answered
    as ever. Once there is room all go on by themselves."""
    setup = start(Nginx)
    disk = SmallDisk(setup)
    try:
        with setup:
            pid = setup.server.gateway_process.pid
            disk.fill(pid)
            for _ in range(3):
                served(setup)
                assert captured(setup) == 200
                setup.upstream.reset(failed)
                assert ask(setup, "after", False)[0] == 500
                setup.upstream.reset(endless)
            stream = Streaming(setup)
            enough.set()
            assert check_stream(stream.end())[1] is None
            wait_for(lambda: stands_still(setup), 20, "the log has no room")
            size = os.path.getsize(setup.gateway.log)
            assert not [n for n in os.listdir(disk.path("captures")) if n[0] != "."]
            disk.free(pid)
            assert captured(setup) == 200
            wait_for(lambda: [n for n in os.listdir(disk.path("captures")) if n[0] != "."], 10,
                     "there are captures again")
            setup.upstream.reset(failed)
            assert ask(setup, "after", False)[0] == 500
            wait_for(lambda: os.listdir(disk.path("logs/errors")), 10, "errors are recorded again")
            assert os.path.getsize(setup.gateway.log) > size
            assert setup.server.gateway_process.poll() is None
    finally:
        disk.close()


def test_no_larger_files():
    """A limit on the size of files (SIGXFSZ): the log stops, requests go on."""
    with start(Nginx) as setup:
        served(setup)
        pid = setup.server.gateway_process.pid
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, 1))
        for _ in range(3):
            served(setup)
        assert setup.server.gateway_process.poll() is None


def test_no_larger_files_in_cgi():
    """Shared hosts limit the size of files; plain CGI has no threads that block signals."""
    setup = start(Nginx)
    try:
        env = harness.clean_env(MESSAGES_CONF=setup.gateway.config, REQUEST_METHOD="GET",
                                GATEWAY_INTERFACE="CGI/1.1", REQUEST_URI="/v1/nothing",
                                REMOTE_ADDR="127.0.0.1", HTTP_X_API_KEY=harness.KEY)
        with open(setup.gateway.log, "w") as f:
            f.write("{}\n" * 100)
        done = subprocess.run([setup.gateway.program], env=env, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=20, preexec_fn=lambda:
                              resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1)))
    finally:
        setup.__exit__()
    assert done.returncode == 0, done
    assert b"Status: 404" in done.stdout, done.stdout


def test_log_folder_gone():
    """Also when it is opened again (SIGHUP), and after it is there again."""
    setup = start(Nginx)
    folder = setup.gateway.path("logs")
    os.mkdir(folder)
    setup.gateway.log = os.path.join(folder, "gateway.log")
    setup.gateway.write()
    with setup:
        served(setup)
        shutil.rmtree(folder)
        served(setup)
        setup.server.gateway_process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        served(setup)
        os.mkdir(folder)
        setup.server.gateway_process.send_signal(signal.SIGHUP)
        wait_for(lambda: os.path.exists(setup.gateway.log), 5, "the log is there again")
        served(setup)
        wait_for(lambda: os.path.getsize(setup.gateway.log) > 0, 5, "it is written")
        assert setup.server.gateway_process.poll() is None


def test_broken_config_is_said_once():
    with start(Nginx) as setup:
        served(setup)
        with open(setup.gateway.config, "a") as f:
            f.write("this is = no { config\n")
        for _ in range(8):
            time.sleep(0.4)
            served(setup)
        with open(setup.gateway.log) as f:
            lines = [line for line in f if "messages.conf" in line]
        assert len(lines) == 1, lines
        setup.gateway.write(model="other")
        time.sleep(1.2)
        served(setup)


def flood(setup, n, body):
    """n requests at once: how each ended. Every answer is one of the API's."""
    results = []

    def one():
        with setup.client(timeout=30) as client:
            response = client.send("POST", "/v1/messages", body)
            status, headers, data = response.status, response.headers, response.read()
        if headers.get("request-id"):
            check_answer(status, headers, data)
        results.append((status, headers.get("request-id") is not None))

    threads = [threading.Thread(target=one) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(results) == n, results
    return results


def test_no_more_memory():
    """At its limit of memory the process refuses what it has no room for (529), and serves on."""
    with start(Nginx) as setup:
        served(setup)
        pid = setup.server.gateway_process.pid
        with open("/proc/%d/statm" % pid) as f:
            size = int(f.read().split()[0]) * resource.getpagesize()
        if size > 1 << 40:
            return      # a sanitizer's shadow: it has no answer for a limit but to end
        unlimited = resource.prlimit(pid, resource.RLIMIT_AS,
                                     (size + (8 << 20), resource.RLIM_INFINITY))
        results = flood(setup, 12, json.dumps(message("x" * 12_000_000)))
        assert all(status in (200, 529) and ours for status, ours in results), results
        assert any(status == 529 for status, _ in results), results
        served(setup)
        resource.prlimit(pid, resource.RLIMIT_AS, unlimited)
        served(setup)
        assert setup.server.gateway_process.poll() is None
        calls_ended(setup)


def test_no_more_descriptors():
    """No descriptor is left for connections to the backend, nor for those of the web server."""
    with start(Nginx) as setup:
        served(setup)
        pid = setup.server.gateway_process.pid
        used = len(os.listdir("/proc/%d/fd" % pid))
        unlimited = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        for room in (0, 1, 2, 4):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + room, unlimited[1]))
            done = threading.Thread(target=flood, args=(setup, 6, json.dumps(message())))
            done.start()
            done.join(3)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, unlimited)
            done.join(20)
            assert not done.is_alive(), "a request hangs with room for %d" % room
            served(setup)
        assert setup.server.gateway_process.poll() is None
        calls_ended(setup)
