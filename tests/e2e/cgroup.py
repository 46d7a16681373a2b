"""A control group with a limit of memory and no swap, of version 2 or 1, and what happened in it."""
import os

import harness

V2 = "/sys/fs/cgroup"
V1 = "/sys/fs/cgroup/memory"


def read(*path):
    with open(os.path.join(*path)) as f:
        return f.read()


def write(text, *path):
    with open(os.path.join(*path), "w") as f:
        f.write(str(text))


class NoGroup(Exception):
    """There can be none here; says why."""


class Group:
    """Made as root where the kernel's files can be written; else NoGroup says why."""

    def __init__(self, limit):
        self.limit = limit
        try:
            self.v2 = "memory" in read(V2, "cgroup.controllers").split()
        except OSError:
            self.v2 = False
        self.path = os.path.join(V2 if self.v2 else V1, "messages-e2e-%d" % os.getpid())

    def __enter__(self):
        try:
            if self.v2 and "memory" not in read(V2, "cgroup.subtree_control").split():
                write("+memory", V2, "cgroup.subtree_control")
            os.mkdir(self.path)
        except OSError as e:
            raise NoGroup("no control group can be made here: %s" % e)
        try:
            self.set_limit()
        except OSError as e:
            os.rmdir(self.path)
            raise NoGroup("a control group's memory can't be limited here: %s" % e)
        return self

    def set_limit(self):
        swap = os.path.join(self.path, "memory.swap.max" if self.v2 else
                            "memory.memsw.limit_in_bytes")
        write(self.limit, self.path, "memory.max" if self.v2 else "memory.limit_in_bytes")
        if os.path.exists(swap):
            write(0 if self.v2 else self.limit, swap)

    def enter(self):
        """For a child between fork and exec."""
        write(os.getpid(), self.path, "cgroup.procs")

    def killed(self):
        """How many processes the kernel has killed for want of memory."""
        events = read(self.path, "memory.events" if self.v2 else "memory.oom_control")
        return int(dict(line.split() for line in events.splitlines())["oom_kill"])

    def peak(self):
        """Bytes, or None where this kernel does not say."""
        try:
            return int(read(self.path, "memory.peak" if self.v2 else "memory.max_usage_in_bytes"))
        except OSError:
            return None

    def __exit__(self, *_):
        harness.wait_for(lambda: not read(self.path, "cgroup.procs"), 10, "the group is empty")
        os.rmdir(self.path)
