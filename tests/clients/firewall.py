"""Claude Code behind mod_security with the Core Rule Set, as Debian ships both: its first turn is
refused, the doctor says so, and what the doctor says helps.

The turn is the installed client's own, so that what the rules make of it is never out of date.
"""
import glob
import re

import harness
from test_doctor import ModSecurity, findings, of_web, setup, url

REFUSES = 5             # the score from which on the rules refuse, as delivered


class Advised(ModSecurity):
    """With the directives that the doctor gave."""
    name = "apache-mod_security-advised"
    advice = ()

    def settings(self):
        return super().settings() + list(self.advice)


def directives(todo):
    """The <Location> of an advice."""
    lines = todo.splitlines()
    return lines[lines.index('<Location "/ai/">'):lines.index("</Location>") + 1]


def scores(gateway):
    """What the rules made of each refused request."""
    said = ""
    for path in glob.glob(gateway.path("*error.log")):
        with open(path, errors="replace") as f:
            said += f.read()
    return [int(n) for n in re.findall(r"Anomaly Score Exceeded \(Total Score: (\d+)\)", said)]


def check(claude):
    with setup(ModSecurity) as server:
        output, status = claude(server.base, harness.KEY, "fix the bug in main.c",
                                CLAUDE_CODE_MAX_RETRIES="0")
        assert status and "403" in output, (status, output)
        assert not server.gateway.upstream.calls
        found = scores(server.gateway)
        assert found and max(found) > 10 * REFUSES, found
        todo = of_web(findings(server.gateway, url(server)))["web.firewall"]["do"]
    Advised.advice = directives(todo)
    with setup(Advised) as server:
        output, status = claude(server.base, harness.KEY, "fix the bug in main.c")
        assert status == 0 and "Hello there" in output, (status, output)
        assert "web.firewall" not in of_web(findings(server.gateway, url(server)))
