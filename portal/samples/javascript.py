"""JavaScript, with fetch: for browsers and Node.js 18 or newer, as a module."""

from __future__ import annotations

from portal.samples.call import Call
from portal.samples.quoting import quoted


def sample(call: Call) -> str:
    lines = [f"const response = await fetch({quoted(call.url)}, {{", f"  method: {quoted(call.method)},"]
    if call.headers:
        lines.append("  headers: {")
        lines += [f"    {quoted(name)}: {quoted(value)}," for name, value in call.headers]
        lines.append("  },")
    if call.body is not None:
        lines.append(f"  body: {quoted(call.body)},")
    return "\n".join([*lines, "});", "console.log(response.status, await response.text());"])
