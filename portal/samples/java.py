"""Java 11 or newer, with java.net.http; it sets Host, Connection and Content-Length itself and refuses them."""

from __future__ import annotations

from portal.samples.call import Call
from portal.samples.quoting import quoted

RESERVED = {"host", "connection", "content-length", "expect", "upgrade"}


def sample(call: Call) -> str:
    publisher = "noBody()" if call.body is None else f"ofString({quoted(call.body)})"
    lines = [
        "import java.net.URI;",
        "import java.net.http.HttpClient;",
        "import java.net.http.HttpRequest;",
        "import java.net.http.HttpResponse;",
        "",
        "public class Sample {",
        "    public static void main(String[] arguments) throws Exception {",
        "        HttpRequest request = HttpRequest.newBuilder()",
        f"            .uri(URI.create({quoted(call.url)}))",
        *(
            f"            .header({quoted(name)}, {quoted(value)})"
            for name, value in call.headers
            if name.lower() not in RESERVED
        ),
        f"            .method({quoted(call.method)}, HttpRequest.BodyPublishers.{publisher})",
        "            .build();",
        "        HttpResponse<String> response = HttpClient.newHttpClient()",
        "            .send(request, HttpResponse.BodyHandlers.ofString());",
        '        System.out.println(response.statusCode() + " " + response.body());',
        "    }",
        "}",
    ]
    return "\n".join(lines)
