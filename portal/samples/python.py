"""Python 3, with its own urllib."""

from __future__ import annotations

from portal.samples.call import Call


def sample(call: Call) -> str:
    lines = ["import urllib.error", "import urllib.request", "", "request = urllib.request.Request("]
    lines.append(f"    {call.url!r},")
    lines.append(f"    method={call.method!r},")
    if call.headers:
        lines.append("    headers={")
        lines += [f"        {name!r}: {value!r}," for name, value in call.headers]
        lines.append("    },")
    if call.body is not None:
        lines.append(f"    data={call.body!r}.encode(),")
    return "\n".join(
        [
            *lines,
            ")",
            "try:",
            "    with urllib.request.urlopen(request) as response:",
            "        print(response.status, response.read().decode())",
            "except urllib.error.HTTPError as error:",
            "    print(error.code, error.read().decode())",
        ]
    )
