"""A program on a terminal of its own: keys go in, what it draws is read as text."""
import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time

DRAWING = re.compile(rb"\x1b\[[0-9;?<>=]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|"
                     rb"\x1b[()][A-Z0-9]|\x1b[=>78]")
LINES, COLUMNS = 50, 160


class Terminal:
    """drawn: all that came, without blanks: what moves the cursor instead is not kept."""

    def __init__(self, folder, env, *command):
        self.bytes = b""
        self.fd, inside = os.openpty()
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self.process = subprocess.Popen(command, cwd=folder, env=dict(env, TERM="xterm-256color"),
                                        stdin=inside, stdout=inside, stderr=inside,
                                        start_new_session=True)
        os.close(inside)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.fd)

    @property
    def drawn(self):
        return re.sub(r"\s", "", DRAWING.sub(b"", self.bytes).decode("utf-8", "replace"))

    def press(self, keys):
        os.write(self.fd, keys.encode())

    def until(self, condition, timeout=240, again=None):
        """Reads on until the condition holds: words on the screen, or a function. again: keys that
        are pressed once a second, for a question that takes no answer at first, lest one be given
        by accident."""
        wanted = condition if callable(condition) else \
            lambda: re.sub(r"\s", "", condition) in self.drawn
        end = time.monotonic() + timeout
        pressed = 0
        while not wanted():
            assert time.monotonic() < end, "%r is not seen: %s" % (condition, self.drawn[-1500:])
            if again and time.monotonic() > pressed + 1:
                self.press(again)
                pressed = time.monotonic()
            if select.select([self.fd], [], [], 0.05)[0]:
                self.bytes += os.read(self.fd, 65536)

    def type(self, line):
        """A line, and Enter once it stands there: together they would be taken for a paste."""
        self.press(line)
        self.until(line)
        self.press("\r")
