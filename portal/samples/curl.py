"""A command for a shell, a line for each argument."""

from __future__ import annotations

import shlex

from portal.samples.call import Call


def sample(call: Call) -> str:
    arguments = [shlex.quote(call.url)]
    if call.method == "HEAD":
        arguments.insert(0, "--head")
    elif call.method != "GET" or call.body is not None:
        arguments.insert(0, f"--request {shlex.quote(call.method)}")
    # an empty one ends with a semicolon: with a colon, curl would leave it out
    headers = (f"{name}: {value}" if value else f"{name};" for name, value in call.headers)
    arguments += [f"--header {shlex.quote(header)}" for header in headers]
    if call.body is not None:
        arguments.append(f"--data-raw {shlex.quote(call.body)}")
    return "curl " + " \\\n  ".join(arguments)
