"""C#, with HttpClient. A header that belongs to the body is one of its content there."""

from __future__ import annotations

from portal.samples.call import Call
from portal.samples.quoting import quoted

OF_CONTENT = {"content-type", "content-language", "content-encoding", "content-location", "allow", "expires"}


def sample(call: Call) -> str:
    lines = [
        "using System;",
        "using System.Net.Http;",
        "using System.Text;",
        "using System.Threading.Tasks;",
        "",
        "class Program",
        "{",
        "    static async Task Main()",
        "    {",
        f"        var method = new HttpMethod({quoted(call.method)});",
        "        using (var client = new HttpClient())",
        f"        using (var request = new HttpRequestMessage(method, {quoted(call.url)}))",
        "        {",
    ]
    inner: list[str] = []
    of_content = [(name, value) for name, value in call.headers if name.lower() in OF_CONTENT]
    for name, value in call.headers:
        if name.lower() not in OF_CONTENT:
            inner.append(f"request.Headers.TryAddWithoutValidation({quoted(name)}, {quoted(value)});")
    if call.body is not None:
        inner.append(f"request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes({quoted(call.body)}));")
        inner += [
            f"request.Content.Headers.TryAddWithoutValidation({quoted(name)}, {quoted(value)});"
            for name, value in of_content
        ]
    inner += [
        "var response = await client.SendAsync(request);",
        'Console.WriteLine((int)response.StatusCode + " " + await response.Content.ReadAsStringAsync());',
    ]
    return "\n".join([*lines, *(f"            {line}" for line in inner), "        }", "    }", "}"])
