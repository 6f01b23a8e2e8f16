"""Go, with its own net/http. Its strings know JSON's escapes, but for surrogate pairs and `\\/`."""

from __future__ import annotations

from portal.samples.call import Call
from portal.samples.quoting import quoted


def sample(call: Call) -> str:
    body = "nil" if call.body is None else f"strings.NewReader({_quoted(call.body)})"
    lines = [
        "package main",
        "",
        "import (",
        '\t"fmt"',
        '\t"io"',
        '\t"net/http"',
        *(['\t"strings"'] if call.body is not None else []),
        ")",
        "",
        "func main() {",
        f"\trequest, err := http.NewRequest({_quoted(call.method)}, {_quoted(call.url)}, {body})",
        "\tif err != nil {",
        "\t\tpanic(err)",
        "\t}",
        *(f"\trequest.Header.Set({_quoted(name)}, {_quoted(value)})" for name, value in call.headers),
        "\tresponse, err := http.DefaultClient.Do(request)",
        "\tif err != nil {",
        "\t\tpanic(err)",
        "\t}",
        "\tdefer response.Body.Close()",
        "\ttext, err := io.ReadAll(response.Body)",
        "\tif err != nil {",
        "\t\tpanic(err)",
        "\t}",
        "\tfmt.Println(response.StatusCode, string(text))",
        "}",
    ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    pieces = (each if ord(each) > 0xFFFF else quoted(each)[1:-1] for each in text)
    return '"' + "".join(pieces) + '"'
