"""Limits of a key that many processes of different web servers hold together: in a mapped file, and
through a locked one where files can't be mapped."""
import http.client
import os
import signal
import subprocess
import threading
import time

import harness
from harness import KEY, Lighttpd, find_tool, processes_below, wait_for
from test_access import Cgi, Other, Two
from test_faults_clock import sanitized
from test_limits import WINDOW, ask, limited, parallel, refused, spend
from test_processes import Setup, held, open_stream

# Stands before a program whose files are on a file system that can't map them.
UNMAPPABLE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/mman.h>

static void *refuse_or(const char *name, void *p, size_t n, int prot, int flags, int fd, off_t at)
{
	void *(*real)(void *, size_t, int, int, int, off_t) = dlsym(RTLD_NEXT, name);

	if (fd >= 0 && (flags & MAP_SHARED)) {
		errno = ENODEV;
		return MAP_FAILED;
	}
	return real(p, n, prot, flags, fd, at);
}

void *mmap(void *p, size_t n, int prot, int flags, int fd, off_t at)
{
	return refuse_or("mmap", p, n, prot, flags, fd, at);
}

void *mmap64(void *p, size_t n, int prot, int flags, int fd, off_t at)
{
	return refuse_or("mmap64", p, n, prot, flags, fd, at);
}
"""


def unmappable(gateway):
    """Variables for the program."""
    source, library = gateway.path("unmappable.c"), gateway.path("unmappable.so")
    with open(source, "w") as f:
        f.write(UNMAPPABLE)
    subprocess.run([find_tool("cc", "gcc", "clang"), "-shared", "-fPIC", "-o", library, source],
                   check=True, capture_output=True)
    return {"LD_PRELOAD": library}


class LighttpdFour(Lighttpd):
    """Four processes, which lighttpd gives requests in turn."""
    name = "lighttpd-four"

    def sample(self, name, literals=()):
        return super().sample(name, {'"max-procs"       => 1': '"max-procs"       => 4'})


class Shared(Setup):
    """A web server's processes and plain CGI with the same configuration."""

    def cgi(self):
        cgi = Cgi.__new__(Cgi)
        cgi.upstream, cgi.gateway = self.upstream, self.gateway
        return cgi


def within(good, limit, start):
    more = int((time.monotonic() - start) * limit / WINDOW) + 1
    assert limit <= good <= limit + more, (good, limit)


def test_lighttpds_processes_and_cgi_hold_one_limit():
    """With and without a folder for state: then the table lies in /dev/shm or /tmp."""
    for state in (True, False):
        s = Shared(LighttpdFour, access=limited("requests_per_minute = 12;"))
        if not state:
            without_state(s.gateway)
        with s:
            start = time.monotonic()
            good = len([a for a in parallel(s, 8) if a.status == 200])
            good += [s.cgi().ask(HTTP_X_API_KEY=KEY)[0] for _ in range(10)].count(200)
            good += len([a for a in parallel(s, 8) if a.status == 200])
            within(good, 12, start)
            assert len(processes_below(s.gateway.dir)) == 4


def without_state(gateway):
    with open(gateway.config) as f:
        text = "".join(line for line in f if not line.startswith("state"))
    with open(gateway.config + ".new", "w") as f:
        f.write(text)
    harness.private(gateway.config + ".new")
    os.rename(gateway.config + ".new", gateway.config)


def test_streams_of_lighttpds_processes_and_cgi():
    with Shared(LighttpdFour, access=limited("streams = 3;")) as s:
        go = held(s.upstream)
        open_ones = [open_stream(s) for _ in range(3)]
        refused(ask(s), 429, "rate_limit_error", "streams")
        assert s.cgi().ask(HTTP_X_API_KEY=KEY)[0] == 429
        # One of them is killed with what it holds: others have its room at once.
        for pid in processes_below(s.gateway.dir):
            if streams_of(pid, s.upstream.port):
                os.kill(pid, signal.SIGKILL)
                break
        s.upstream.reset()
        wait_for(lambda: s.cgi().ask(HTTP_X_API_KEY=KEY)[0] == 200, 5, "there is room again")
        # One that lighttpd is just starting when it ends itself would not be told of that.
        wait_for(lambda: len(processes_below(s.gateway.dir)) == 4, 30, "all of them are there again")
        go.set()
        for client, stream in open_ones:
            try:
                list(stream)
            except (OSError, http.client.HTTPException):
                pass        # it was the killed one's
            client.close()


def streams_of(pid, port):
    """How many connections of this process lead to that port."""
    ours = set()
    for fd in os.listdir("/proc/%d/fd" % pid):
        try:
            ours.add(os.readlink("/proc/%d/fd/%s" % (pid, fd)))
        except OSError:
            pass
    with open("/proc/%d/net/tcp" % pid) as f:
        lines = [line.split() for line in f.readlines()[1:]]
    return len([line for line in lines if line[2].endswith(":%04X" % port) and
                "socket:[%s]" % line[9] in ours])


def locked(**settings):
    """Two processes and their web servers, none of which can map a file; None where a program
    with a sanitizer can't be started so."""
    if sanitized():
        return None
    s = Shared(Two, **settings)
    s.gateway.env.update(unmappable(s.gateway))
    return s


def test_a_locked_file_holds_one_limit():
    s = locked(access=limited("requests_per_minute = 10;"))
    if not s:
        return
    with s, Other(s.gateway, s.server.second) as other:
        ports = [s.server.port, other.port] * 20
        spend(lambda: ask(s, port=ports.pop()), 10)
        for pid in processes_below(s.gateway.dir):
            with open("/proc/%d/maps" % pid) as f:
                assert ".htmessages" not in f.read(), "it is mapped all the same"
        assert s.cgi().ask(HTTP_X_API_KEY=KEY, **s.gateway.env)[0] == 429
        # Mapped or locked, it is the same table.
        assert s.cgi().ask(HTTP_X_API_KEY=KEY)[0] == 429


def test_a_locked_file_many_at_once():
    s = locked(access=limited("requests_per_minute = 12;"))
    if not s:
        return
    with s, Other(s.gateway, s.server.second) as other:
        start = time.monotonic()
        answers = []

        def one(port):
            answers.append(ask(s, port=port).status)

        threads = [threading.Thread(target=one, args=(port,))
                   for port in [s.server.port, other.port] * 10]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert set(answers) == {200, 429}, answers
        within(answers.count(200), 12, start)


def test_a_locked_file_and_killed_processes():
    s = locked(access=limited("streams = 1;"))
    if not s:
        return
    with s, Other(s.gateway, s.server.second) as other:
        go = held(s.upstream)
        client, _ = open_stream(s)
        assert ask(s, port=other.port).status == 429
        assert s.cgi().ask(HTTP_X_API_KEY=KEY, **s.gateway.env)[0] == 429
        first = s.server.processes[0]
        first.send_signal(signal.SIGKILL)
        first.wait()
        s.upstream.reset()
        assert ask(s, port=other.port).status == 200, "what it held is free at once"
        go.set()
        client.close()
        s.server.processes.remove(first)
