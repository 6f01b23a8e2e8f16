"""Samples do what they say: those whose language is here are run against a server that writes down what it got."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from portal.model import Api, Operation
from portal.samples import KEY, LANGUAGES, Call, Versioning, address, call, language
from tests.portal.fake_plane import OPERATION, SHOP, resource

GATEWAY = "http://127.0.0.1:8080"
# every character that means something in one of the languages
HARD = 'it\'s "quoted" \\back\\slash $dollar ${brace} #{hash} #$x `tick` %s %d {0} \\u0041 \\n </script> ?> é 😀 \t'
BODY = json.dumps({"title": HARD}, ensure_ascii=False, indent=2)


def sent(**more: object) -> Call:
    return call(GATEWAY, Api.read(SHOP), Operation.read(OPERATION), Versioning("Header", "Api-Version"))


def words(sample: str) -> list[str]:
    return shlex.split(sample.replace("\\\n", ""))


def test_what_is_sent() -> None:
    assert sent() == Call(
        "PUT",
        "http://127.0.0.1:8080/shop/books/1?lang=en&all=all",
        (("X-Shop-Key", KEY), ("Api-Version", "v1"), ("X-Why", "it's"), ("Content-Type", "application/json")),
        '{\n  "title": "L\'Étranger"\n}',
    )


def test_versions() -> None:
    api = Api.read(SHOP)
    plain = Operation.read(resource("apis/a/operations/o", method="GET", urlTemplate="/"))
    assert address(GATEWAY, api, Versioning("Segment")) == f"{GATEWAY}/shop/v1"
    assert call(GATEWAY, api, plain, Versioning("Segment")).url == f"{GATEWAY}/shop/v1/"
    assert call(GATEWAY, api, plain, Versioning("Query", "api-version")).url == f"{GATEWAY}/shop/?api-version=v1"


def test_a_wildcard_keeps_its_slashes() -> None:
    operation = Operation.read(
        resource(
            "apis/a/operations/o",
            method="GET",
            urlTemplate="/files/{*path}",
            templateParameters=[{"name": "path", "type": "string", "required": True, "defaultValue": "a b/c"}],
        )
    )
    open_api = Api.read(resource("apis/a", path="", subscriptionRequired=False))
    assert call(GATEWAY, open_api, operation, Versioning()) == Call("GET", f"{GATEWAY}/files/a%20b/c", (), None)
    nameless = Operation.read(resource("apis/a/operations/o", method="GET", urlTemplate="/files/*"))
    assert call(GATEWAY, open_api, nameless, Versioning()).url == f"{GATEWAY}/files/"


def test_all_that_was_promised() -> None:
    assert [one.name for one in LANGUAGES] == [
        "curl", "HTTP", "Python", "JavaScript", "C#", "Java", "PHP", "Ruby", "Go",
    ]  # fmt: skip
    assert language("nonsense") is LANGUAGES[0]
    assert all(KEY in one.sample(sent()) for one in LANGUAGES)


@given(st.text(min_size=1), st.text())
def test_no_text_breaks_out_of_the_command(name: str, value: str) -> None:
    assume("\\\n" not in name + value)  # the test itself takes this for the end of a line
    operation = Operation.read(
        resource(
            "apis/a/operations/o",
            method="POST",
            urlTemplate="/x",
            request={
                "headers": [{"name": name, "required": True, "defaultValue": value}],
                "representations": [{"contentType": "text/plain", "examples": {"a": {"value": value}}}],
            },
        )
    )
    api = Api.read(resource("apis/a", path="a", subscriptionRequired=False))
    read = words(language("curl").sample(call(GATEWAY, api, operation, Versioning())))
    assert read[:3] == ["curl", "--request", "POST"]
    assert read[4::2] == ["--header"] * (len(read[4::2]) - 1) + ["--data-raw"]
    assert read[-1] == value


@dataclass
class Heard:
    """`address` of a server; each request is (method, target, headers in lower case, body)."""

    address: str = ""
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture(scope="module")
def heard() -> Iterator[Heard]:
    found = Heard()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            found.requests.append((self.command, self.path, headers, body))
            self.send_response(201)
            self.send_header("Content-Length", "4")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(b"fine")

        do_GET = do_PUT = do_POST = do_HEAD = do_PATCH = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()


def ran(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def write(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return name


def run_curl(sample: str, folder: Path) -> str:
    return ran(["sh", "-c", sample], folder)


def run_http(sample: str, folder: Path) -> str:
    """As it stands, but for the ends of lines; the body is a body and not touched."""
    head, body = sample.split("\n\n", 1) if "\n\n" in sample else (sample.rstrip("\n"), "")
    host, port = re.findall(r"Host: (.*):(\d+)", head)[0]
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\nConnection: close\r\n\r\n" + body.encode())
        connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb").read().decode()


def run_python(sample: str, folder: Path) -> str:
    return ran([sys.executable, write(folder, "sample.py", sample)], folder)


def run_javascript(sample: str, folder: Path) -> str:
    return ran(["node", write(folder, "sample.mjs", sample)], folder)


# As much of System.Net.Http, which not every mono has, as a sample uses; it sends with the older classes. And a way in,
# since mcs is older than an asynchronous Main.
HTTP_CLIENT = """
using System; using System.Collections.Generic; using System.IO; using System.Net; using System.Reflection;
using System.Threading.Tasks;
class Entry {
  static void Main() {
    var main = typeof(Program).GetMethod("Main", BindingFlags.NonPublic | BindingFlags.Static);
    ((Task)main.Invoke(null, null)).GetAwaiter().GetResult();
  }
}
namespace System.Net.Http {
  public class HttpMethod { public string Name; public HttpMethod(string name) { Name = name; } }
  public class Headers {
    public List<string[]> All = new List<string[]>();
    public bool TryAddWithoutValidation(string name, string value) { All.Add(new[] { name, value }); return true; }
  }
  public class HttpContent {
    public Headers Headers = new Headers(); public byte[] Bytes;
    public Task<string> ReadAsStringAsync() { return Task.FromResult(System.Text.Encoding.UTF8.GetString(Bytes)); }
  }
  public class ByteArrayContent : HttpContent { public ByteArrayContent(byte[] bytes) { Bytes = bytes; } }
  public class HttpRequestMessage : IDisposable {
    public HttpMethod Method; public string Url; public Headers Headers = new Headers(); public HttpContent Content;
    public HttpRequestMessage(HttpMethod method, string url) { Method = method; Url = url; }
    public void Dispose() {}
  }
  public class HttpResponseMessage { public HttpStatusCode StatusCode; public HttpContent Content; }
  public class HttpClient : IDisposable {
    public void Dispose() {}
    public Task<HttpResponseMessage> SendAsync(HttpRequestMessage message) {
      var request = (HttpWebRequest)WebRequest.Create(message.Url);
      request.Method = message.Method.Name;
      foreach (var each in message.Headers.All) request.Headers[each[0]] = each[1];
      if (message.Content != null) {
        foreach (var each in message.Content.Headers.All) request.ContentType = each[1];
        using (var stream = request.GetRequestStream())
          stream.Write(message.Content.Bytes, 0, message.Content.Bytes.Length);
      }
      using (var response = (HttpWebResponse)request.GetResponse())
      using (var memory = new MemoryStream()) {
        response.GetResponseStream().CopyTo(memory);
        var content = new HttpContent { Bytes = memory.ToArray() };
        return Task.FromResult(new HttpResponseMessage { StatusCode = response.StatusCode, Content = content });
      }
    }
  }
}
"""


def run_csharp(sample: str, folder: Path) -> str:
    files = [write(folder, "sample.cs", sample), write(folder, "client.cs", HTTP_CLIENT)]
    ran(["mcs", "-main:Entry", "-out:sample.exe", *files], folder)
    return ran(["mono", "sample.exe"], folder)


def run_java(sample: str, folder: Path) -> str:
    return ran(["java", write(folder, "Sample.java", sample)], folder)


def run_php(sample: str, folder: Path) -> str:
    return ran(["php", write(folder, "sample.php", sample)], folder)


def run_ruby(sample: str, folder: Path) -> str:
    return ran(["ruby", write(folder, "sample.rb", sample)], folder)


def run_go(sample: str, folder: Path) -> str:
    return ran(["go", "run", write(folder, "sample.go", sample)], folder)


RUN: dict[str, tuple[tuple[str, ...], Callable[[str, Path], str]]] = {
    "curl": (("curl",), run_curl),
    "http": ((), run_http),
    "python": ((), run_python),
    "javascript": (("node",), run_javascript),
    "csharp": (("mcs", "mono"), run_csharp),
    "java": (("javac",), run_java),
    "php": (("php",), run_php),
    "ruby": (("ruby",), run_ruby),
    "go": (("go",), run_go),
}


@pytest.mark.parametrize("id", RUN)
def test_a_sample_sends_what_it_says(id: str, heard: Heard, tmp_path: Path) -> None:
    """With a body and headers that are hard to write down; and a GET with nothing."""
    needed, run = RUN[id]
    missing = [each for each in needed if shutil.which(each) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not here")
    value = HARD.encode("ascii", "ignore").decode().strip()
    hard = Call(
        "PUT", f"{heard.address}/a%20b?x=%27%24", (("X-Why", value), ("Content-Type", "application/json")), BODY
    )
    plain = Call("GET", f"{heard.address}/plain", (), None)
    for what in (hard, plain) if id != "java" else (hard,):  # which takes seconds to compile
        heard.requests.clear()
        out = run(language(id).sample(what), tmp_path)
        ((method, target, headers, body),) = heard.requests
        assert (method, heard.address + target, body.decode()) == (what.method, what.url, what.body or "")
        assert what.headers == tuple((name, headers[name.lower()]) for name, _ in what.headers)
        assert "fine" in out


@pytest.mark.parametrize("one", LANGUAGES, ids=lambda one: one.id)
def test_what_a_sample_is_made_of(one: object) -> None:
    """Those that cannot be run here: brackets close, and no quote is left open."""
    assert one in LANGUAGES
    sample = language(one.id).sample(sent())  # type: ignore[attr-defined]
    assert "\x00" not in sample
    if one.id in ("java", "php", "ruby", "go", "csharp", "javascript"):  # type: ignore[attr-defined]
        quotes = r"'(?:[^'\\]|\\.)*'" if one.id == "php" else r'"(?:[^"\\\n]|\\.)*"'  # type: ignore[attr-defined]
        rest = re.sub(quotes, "", sample)
        assert "'" not in rest
        for opening, closing in ("()", "{}", "[]"):
            assert rest.count(opening) == rest.count(closing)
