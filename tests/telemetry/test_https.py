"""One destination over HTTPS: connections that were ended meanwhile, proxies, authorities, and closed addresses."""

from __future__ import annotations

import email.utils
import re
import socket
import threading
import time
from pathlib import Path

import pytest

from telemetry.https import Answer, Origin, checked, closed_to, seconds
from telemetry.identity import IdentitySettings
from telemetry.lane import Later, Refused
from telemetry.tokens import Tokens, identity
from tests.moment import zone
from tests.telemetry.azure import FakeAzure


class Closing:
    """Answers each connection's first request, promises to keep it, and ends it."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with client:
                client.recv(65536)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n")

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread, which would hold the port otherwise
        self._thread.join(5)
        self._listener.close()


def test_a_connection_that_was_ended_meanwhile_costs_no_try() -> None:
    server = Closing()
    origin = Origin(server.url)
    for _ in range(3):
        assert origin.post("/x", b"body", {}, 5).status == 200
        time.sleep(0.05)
    assert server.connections == 3
    origin.close()
    server.close()


class Tunnel:
    """A proxy that knows CONNECT alone."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.heads: list[str] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        client, _ = self._listener.accept()
        head = client.recv(65536).decode()
        self.heads.append(head)
        host, _, port = head.split(" ")[1].rpartition(":")
        beyond = socket.create_connection(("127.0.0.1", int(port)))  # whatever the name says
        assert host == "azure.test"
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        threads = [threading.Thread(target=copy, args=pair) for pair in ((client, beyond), (beyond, client))]
        for each in threads:
            each.start()
        for each in threads:
            each.join(5)
        client.close()
        beyond.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread, which would hold the port otherwise
        self._thread.join(5)
        self._listener.close()


def copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


def test_a_proxy_and_another_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeAzure(tmp_path) as azure:
        tunnel = Tunnel()
        monkeypatch.setenv("SSL_CERT_FILE", str(azure.certificate))
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:p%40ss@127.0.0.1:{tunnel.port}")
        monkeypatch.setenv("NO_PROXY", "other.test")
        with pytest.raises(Refused, match="may not send"):
            Origin("https://169.254.169.254", closed_to({})).post("/x", b"", {}, 5)  # the proxy is not asked
        origin = Origin(azure.url.replace("127.0.0.1", "azure.test"), closed_to({}))
        assert origin.post("/x", b"body", {"Content-Length": "4"}, 5).status == 204
        origin.close()
        tunnel.close()
        assert azure.calls[0].content == b"body"
    assert "Proxy-Authorization: Basic dXNlcjpwQHNz" in tunnel.heads[0]


def test_an_authority_that_nobody_knows_is_no_way(tmp_path: Path) -> None:
    with FakeAzure(tmp_path) as azure:
        origin = Origin(azure.url)
        with pytest.raises(Later) as later:
            origin.post("/x", b"", {}, 5)
        assert "CERTIFICATE_VERIFY_FAILED" in later.value.reason


@pytest.mark.parametrize("url", ["http://gw.example", "ftp://a", "https://", "nothing", "https://a?b=c", "https://a:x"])
def test_urls_that_cannot_be(url: str) -> None:
    with pytest.raises(ValueError, match=r"setting some\.setting is"):
        checked(url, "some.setting", {})
    assert checked(" http://localhost:1/ ", "s", {}) == "http://localhost:1"
    assert checked("http://gw.example", "s", {"net.client.http.allowed": "true"}) == "http://gw.example"


def test_addresses_that_are_closed() -> None:
    closed, opened = closed_to({}), closed_to({"net.client.loopback.allowed": "true"})
    assert [closed(each) for each in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0")] == [True] * 4
    assert [closed(each) for each in ("169.254.169.254", "fe80::1%eth0", "10.0.0.1", "20.1.2.3")] == [
        True, True, False, False,
    ]  # fmt: skip
    assert [opened(each) for each in ("127.0.0.1", "169.254.169.254")] == [False, True]
    for never in ("168.63.129.16", "100.100.100.200", "fd00:ec2::254", "224.0.0.1", "64:ff9b::a9fe:a9fe"):
        assert opened(never), never
    assert not closed("64:ff9b::1401:203")
    assert opened("2002:a9fe:a9fe::1")  # 6to4


def test_answers_and_their_waits() -> None:
    Answer(204, 0, b"").judge()
    with pytest.raises(Later) as later:
        Answer(429, 7, b"").judge("busy")
    assert (later.value.reason, later.value.after) == ("HTTP 429, busy", 7)
    with pytest.raises(Refused):
        Answer(413, 0, b"").judge()
    assert seconds("12") == 12
    assert 25 < seconds(email.utils.formatdate(time.time() + 30, usegmt=True)) <= 30
    assert [seconds(text) for text in ("", "soon", "-1", "²")] == [0, 0, 0, 0]


@pytest.mark.parametrize("local", ["America/New_York", "Asia/Kolkata"])
@pytest.mark.parametrize("form", ["%a %b %d %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S -0000", "%A, %d-%b-%y %H:%M:%S GMT"])
def test_a_date_without_a_zone_is_not_local_time(local: str, form: str) -> None:
    text = time.strftime(form, time.gmtime(time.time() + 1000))
    with zone(local):
        assert 900 < seconds(text) <= 1000


def test_tokens_of_workload_identity_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("projected\n")
    with FakeAzure() as azure:
        settings = {
            "AZURE_FEDERATED_TOKEN_FILE": str(file), "AZURE_TENANT_ID": "contoso", "AZURE_CLIENT_ID": "own",
            "AZURE_AUTHORITY_HOST": f"{azure.url}/",
        }  # fmt: skip
        tokens = Tokens(IdentitySettings.read(settings))
        assert [tokens.token("https://monitor.azure.com") for _ in range(3)] == ["t1"] * 3
        assert tokens.token("https://other") == "t2"
        assert azure.tokens[0]["client_assertion"] == "projected"
        tokens.forget("https://other")
        assert tokens.token("https://other") == "t3"


def test_a_token_that_cannot_be_had_is_asked_for_once_in_a_while(tmp_path: Path) -> None:
    tokens = Tokens(IdentitySettings.read({"IDENTITY_ENDPOINT": "http://127.0.0.1:9/", "IDENTITY_HEADER": "hush"}))
    for _ in range(2):
        with pytest.raises(Later) as later:
            tokens.token("r")
        assert "ConnectionRefusedError" in later.value.reason
        assert "hush" not in later.value.reason
        assert 0 < later.value.after <= 5
    with pytest.raises(ValueError, match=re.escape("setting some.setting needs an identity")):
        identity(IdentitySettings.read({}), "some.setting")
