"""For Schemathesis: leaves out what never reaches the program. lighttpd itself refuses control
characters in a URL, with a page of its own."""
import re

import schemathesis

CONTROL = re.compile(r"[\x00-\x1f\x7f]|%[01][0-9A-Fa-f]|%7[Ff]")


def has_controls(value):
    if isinstance(value, dict):
        return any(has_controls(k) or has_controls(v) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return any(has_controls(v) for v in value)
    return isinstance(value, str) and CONTROL.search(value) is not None


@schemathesis.hook
def filter_case(context, case):
    return not has_controls(case.path_parameters or {}) and not has_controls(case.query or {})
