"""PHP, with its curl extension. Single-quoted strings know two escapes: of the quote and of the backslash."""

from __future__ import annotations

from portal.samples.call import Call


def sample(call: Call) -> str:
    lines = ["<?php", f"$request = curl_init({_quoted(call.url)});", "curl_setopt_array($request, ["]
    if call.method == "HEAD":
        lines.append("    CURLOPT_NOBODY => true,")
    else:
        lines.append(f"    CURLOPT_CUSTOMREQUEST => {_quoted(call.method)},")
    if call.headers:
        lines.append("    CURLOPT_HTTPHEADER => [")
        lines += [f"        {_quoted(f'{name}: {value}')}," for name, value in call.headers]
        lines.append("    ],")
    if call.body is not None:
        lines.append(f"    CURLOPT_POSTFIELDS => {_quoted(call.body)},")
    return "\n".join(
        [
            *lines,
            "    CURLOPT_RETURNTRANSFER => true,",
            "]);",
            "$body = curl_exec($request);",
            "echo curl_getinfo($request, CURLINFO_RESPONSE_CODE), ' ', $body, PHP_EOL;",
        ]
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
