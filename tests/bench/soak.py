"""Load that is held: many streams for minutes, some of them leaving at any moment, through a web server.

What must come of it: no failed request, events hardly later than those of streams that go to the
upstream directly at the same time, memory that does not grow once it is warm, and afterwards no
descriptor, upstream call or thread that was not there before.
"""
import http.client
import json
import os
import subprocess
import time

LENGTHS = (160, 200, 240, 280)      # events of a stream, an equal share each
INTERVAL_MS = 250
IDLE_WORKER = 5                     # seconds; the default, a minute, would only take longer
COMMIT_AFTER = 25                   # seconds; only then lighttpd tells of a client that left before
KEPT_CONNECTIONS = 32               # idle ones to the upstream that a process may keep
FILES_OF_KEPT = 3                   # of each: its socket, and the two by which libcurl wakes
REACH_MS = 100
SAMPLES = 5


def status(pid):
    """Private_Dirty and RSS in KB, threads, descriptors."""
    found = {}
    for path in ("smaps_rollup", "status"):
        with open("/proc/%d/%s" % (pid, path)) as f:
            for line in f:
                name, _, value = line.partition(":")
                if name in ("Private_Dirty", "Rss", "Threads"):
                    found[name] = int(value.split()[0])
    return found["Private_Dirty"], found["Rss"], found["Threads"], \
        len(os.listdir("/proc/%d/fd" % pid))


def counts(port):
    """Connections and running streams of the upstream, without this question's own."""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    c.request("GET", "/count")
    answer = json.loads(c.getresponse().read())
    c.close()
    return answer["connections"] - 1, answer["streams"]


def health(port):
    """One request, so that the process is known to have started."""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    c.request("GET", "/ai/health")
    c.getresponse().read()
    c.close()


def settled(condition, seconds):
    """Waits until it holds, and no longer than that."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.2)


class Soak:
    def __init__(self, bench, program):
        self.o, self.table, self.program = bench.o, bench.table, program
        self.bodies = []
        for n in LENGTHS:
            model = "bench-e%d-i%d" % (n, INTERVAL_MS)
            self.bodies += ["-b", bench.soak_body(model)]

    def run(self, up, web, env):
        health(web.port)
        working = status(web.gateway)[2]
        settled(lambda: status(web.gateway)[2] < working, 3 * IDLE_WORKER)
        self.before = status(web.gateway)
        chat = self.o.dialects[0] == "openai-chat"
        command = [self.program, "-u", web.target, "-d", "%d%s" % (
            up.port, "/v1/chat/completions" if chat else "/v1/messages"),
            "-c", self.o.soak_streams, "-l", self.o.soak_leavers, "-n", 20, "-w", self.o.soak_seconds]
        with subprocess.Popen([str(x) for x in command] + self.bodies, stdout=subprocess.PIPE,
                              text=True, env=env) as child:
            if child.stdout.readline() != "warm\n":
                raise SystemExit("bench: the streams have not all begun")
            self.watch(web)
            result = json.loads(child.stdout.readline())
        settled(lambda: counts(up.port)[1] == 0, 10)
        settled(lambda: status(web.gateway)[2] <= self.before[2], COMMIT_AFTER + 6 * IDLE_WORKER)
        self.report(result, up, web)

    def watch(self, web):
        """What the process holds, from its first warm moment to the end."""
        start = time.monotonic()
        self.held = []
        for i in range(SAMPLES + 1):
            at = max(self.o.soak_seconds - 1, 1) * i / SAMPLES
            time.sleep(max(0, start + at - time.monotonic()))
            self.held.append((at,) + status(web.gateway))

    def report(self, result, up, web):
        r, d = result["tested"], result["direct"]
        what = "%d streams held for %d s, %d leaving: " % (
            self.o.soak_streams, self.o.soak_seconds, self.o.soak_leavers)
        failed = r["failed"] + d["failed"]
        self.table.add(what + "failed requests", "0", str(failed), failed == 0,
                       "%d whole, %d left, %d events" % (r["done"], r["left"], r["events"]))
        ms = ["/".join("%.1f" % (x / 1000) for x in k["late_us"]) for k in (r, d)]
        beyond = (r["late_us"][1] - d["late_us"][1]) / 1000
        self.table.add(what + "lateness of an event, p99 beyond the direct one", "< %d ms" % REACH_MS,
                       "%.1f ms" % beyond, beyond < REACH_MS,
                       "p50/p99/p99.9/max %s, direct %s ms" % tuple(ms))
        ms = ["/".join("%.0f" % (x / 1000) for x in k["first_us"]) for k in (r, d)]
        self.table.add(what + "first byte", "", "p50/p99/max %s ms" % ms[0], None,
                       "direct %s ms" % ms[1])
        self.memory(what)
        self.left(what, up, web)

    def memory(self, what):
        first, last = self.held[1], self.held[-1]
        grown = (last[1] - first[1]) / 1024
        self.table.add(what + "Private_Dirty, growth from %d s to %d s" % (first[0], last[0]),
                       "<= 2 MB", "%.1f MB" % grown, grown <= 2, "Private_Dirty (RSS) " + ", ".join(
                           "%d s: %.1f (%.1f)" % (at, dirty / 1024, rss / 1024)
                           for at, dirty, rss, _, _ in self.held) + " MB; %d threads" % last[3])

    def left(self, what, up, web):
        dirty, _, threads, files = status(web.gateway)
        connections, streams = counts(up.port)
        more = files - self.before[3] - FILES_OF_KEPT * connections - web.kept
        rest = (streams, max(0, connections - KEPT_CONNECTIONS), max(0, more),
                max(0, threads - self.before[2]))
        self.table.add(what + "upstream calls, connections above those kept, descriptors and threads left",
                       "0", "/".join(map(str, rest)), not any(rest),
                       "%d connections kept; Private_Dirty %.1f MB, before %.1f" % (
                           connections, dirty / 1024, self.before[0] / 1024))
