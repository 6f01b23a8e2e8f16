"""The client of the management plane, against a server that answers as ARM does."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from passerelle.plane import SERVICE, Plane, PlaneError


class Recorder(http.server.BaseHTTPRequestHandler):
    """Answers from a table of (method, path below the service) and remembers what came."""

    calls: ClassVar[list[tuple[str, str, Any, str]]] = []
    answers: ClassVar[dict[tuple[str, str], tuple[int, Any]]] = {}

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        path = self.path.removeprefix(SERVICE).removesuffix("?api-version=2024-05-01")
        self.calls.append((self.command, path, body, self.headers["Authorization"]))
        status, answer = self.answers.get((self.command, path), (200, {}))
        payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_PUT = do_POST = do_PATCH = _answer

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def plane() -> Iterator[Plane]:
    Recorder.calls.clear()
    Recorder.answers.clear()
    server = http.server.HTTPServer(("127.0.0.1", 0), Recorder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield Plane(f"http://127.0.0.1:{server.server_port}", "secret")
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_call_carries_the_bearer_and_the_properties(plane: Plane) -> None:
    plane.put("/products/p", {"displayName": "P"})
    assert Recorder.calls == [("PUT", "/products/p", {"properties": {"displayName": "P"}}, "Bearer secret")]


def test_an_error_says_what_arm_says(plane: Plane) -> None:
    error = {"code": "ValidationError", "message": "One or more fields:", "details": [{"message": "line 4, column 4"}]}
    Recorder.answers["PUT", "/apis/x"] = (400, {"error": error})
    with pytest.raises(PlaneError, match="ValidationError: One or more fields: line 4, column 4") as caught:
        plane.put("/apis/x", {})
    assert caught.value.status == 400


def test_an_error_names_what_it_is_about_and_not_the_whole_address(plane: Plane) -> None:
    Recorder.answers["POST", "/rollback"] = (400, {"error": {"code": "ValidationError", "message": "Out of reach."}})
    with pytest.raises(PlaneError) as caught:
        plane.call("POST", "/rollback", {})
    assert str(caught.value) == "POST /rollback: 400 ValidationError: Out of reach."


def test_a_token_that_is_not_taken_comes_with_the_remedy(plane: Plane) -> None:
    Recorder.answers["GET", "/apis/x"] = (401, {"error": {"code": "AuthenticationFailed", "message": "No."}})
    with pytest.raises(PlaneError, match=r"^The management plane at http://\S+ does not take this token.*PASSERELLE"):
        plane.get("/apis/x")


def test_an_answer_that_is_no_arm_error_is_shown_as_it_is(plane: Plane) -> None:
    Recorder.answers["GET", "/apis/x"] = (502, b"<html>bad gateway</html>")
    with pytest.raises(PlaneError, match="bad gateway"):
        plane.get("/apis/x")


def test_exists_is_false_only_for_404(plane: Plane) -> None:
    Recorder.answers["GET", "/apis/gone"] = (404, {"error": {"code": "ResourceNotFound", "message": "Api not found."}})
    Recorder.answers["GET", "/apis/broken"] = (500, {})
    assert plane.exists("/apis/here")
    assert not plane.exists("/apis/gone")
    with pytest.raises(PlaneError):
        plane.exists("/apis/broken")


def test_a_gateway_is_made_when_absent_and_its_token_named(plane: Plane) -> None:
    Recorder.answers["GET", "/gateways/g"] = (404, {})
    Recorder.answers["POST", "/gateways/g/generateToken"] = (200, {"value": "g&202601010000&sig"})
    assert plane.gateway_token("g") == "GatewayKey g&202601010000&sig"
    assert [(method, path) for method, path, _, _ in Recorder.calls] == [
        ("GET", "/gateways/g"),
        ("PUT", "/gateways/g"),
        ("POST", "/gateways/g/generateToken"),
    ]


def test_a_plane_that_is_not_there_is_status_0() -> None:
    with pytest.raises(PlaneError, match="does not answer") as caught:
        Plane("http://127.0.0.1:9", "t").get("")
    assert caught.value.status == 0
