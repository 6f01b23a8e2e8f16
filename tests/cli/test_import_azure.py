"""`passerelle import azure`: Microsoft's client reads one plane of ours over TLS, another one gets it."""

from __future__ import annotations

import io
import json
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from passerelle.connection import Plane
from passerelle.main import main
from tests.management.sdk import GROUP, SERVICE, SUBSCRIPTION, served

pytest.importorskip("azure.mgmt.apimanagement")

TOKEN = "the-admin-token"
POLICY = "<policies><inbound><base /><set-header name='x'><value>{{the-key}}</value></set-header></inbound></policies>"
SECRETS = ("s3cret-of-a-value", "key-of-ann-1", "key-of-ann-2")


@dataclass(frozen=True)
class Side:
    url: str
    directory: Path

    @property
    def plane(self) -> Plane:
        return Plane(self.url, TOKEN, ca=self.directory / "ca.pem")


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    directory = tmp_path_factory.mktemp("azure")
    with served(directory, TOKEN) as url:
        side = Side(url, directory)
        fill(side.plane)
        yield side


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Side]:
    directory = tmp_path / "here"
    directory.mkdir()
    with served(directory, TOKEN) as url:
        yield Side(url, directory)


def fill(plane: Plane) -> None:
    """One of everything."""
    for n in range(120):  # more than a page
        plane.put(f"/namedValues/n{n}", {"displayName": f"n{n}", "value": "v"})
    plane.put("/namedValues/key", {"displayName": "the-key", "value": SECRETS[0], "secret": True})
    plane.put("/tags/red", {"displayName": "Red"})
    plane.put("/loggers/l", {"loggerType": "applicationInsights", "credentials": {"instrumentationKey": "{{the-key}}"}})
    plane.put("/users/ann", {"email": "ann@example.org", "firstName": "Ann", "lastName": "A"})
    plane.put("/groups/g", {"displayName": "G"})
    plane.put("/groups/g/users/ann")
    plane.put("/apiVersionSets/v", {"displayName": "V", "versioningScheme": "Segment"})
    plane.put("/schemas/s", {"schemaType": "json", "document": {"type": "object"}})
    plane.put("/backends/b", {"url": "https://backend.example", "protocol": "http"})
    fragment = '<fragment><set-header name=\'b\'><value>@(1 > 0 ? "x" : "y")</value></set-header></fragment>'
    plane.put("/policyFragments/f", {"format": "rawxml", "value": fragment})
    api = {"displayName": "A", "path": "a", "apiVersionSetId": "/apiVersionSets/v", "apiVersion": "1"}
    plane.put("/apis/a", {**api, "serviceUrl": "https://one.example"})
    plane.put("/apis/a/operations/get", {"displayName": "get", "method": "GET", "urlTemplate": "/x"})
    plane.put("/apis/a/schemas/x", {"contentType": "application/json", "document": {"value": "{}"}})
    plane.put("/apis/a/tags/red")
    plane.put("/apis/a/operations/get/tags/red")
    plane.put("/apis/a/diagnostics/applicationinsights", {"loggerId": f"{plane.id}/loggers/l"})
    plane.put_policy("/apis/a/operations/get", POLICY)
    plane.put("/apis/a;rev=2", {**api, "serviceUrl": "https://two.example", "sourceApiId": "/apis/a"})
    plane.put_policy("", "<policies><inbound /><backend><forward-request /></backend><outbound /></policies>")
    plane.put("/products/p", {"displayName": "P", "state": "published"})
    plane.put("/products/p/apis/a")
    plane.put("/products/p/groups/g")
    plane.put("/products/p/tags/red")
    keys = {"primaryKey": SECRETS[1], "secondaryKey": SECRETS[2], "ownerId": f"{plane.id}/users/ann"}
    plane.put("/subscriptions/s", {"displayName": "s", "scope": f"{plane.id}/products/p", **keys})
    plane.put("/subscriptions/whole", {"displayName": "whole", "scope": plane.id})
    plane.put("/gateways/g", {"locationData": {"name": "here"}})
    plane.put("/gateways/g/apis/a")
    plane.put("/workspaces/w", {"displayName": "W"})
    inner = plane.within("w")
    inner.put("/apis/i", {"displayName": "I", "path": "i"})
    inner.put("/apis/i/operations/o", {"displayName": "o", "method": "GET", "urlTemplate": "/"})
    inner.put("/products/p", {"displayName": "P"})
    inner.put("/products/p/apiLinks/l", {"apiId": f"{inner.id}/apis/i"})


def run(azure: Side, here: Side, *more: str, token: str = TOKEN) -> Result:
    environment = {
        "PASSERELLE_MANAGEMENT": here.url,
        "PASSERELLE_TOKEN": TOKEN,
        "PASSERELLE_CA": str(here.directory / "ca.pem"),
        "PASSERELLE_AZURE_TOKEN": token,
    }
    place = ["--subscription", SUBSCRIPTION, "--resource-group", GROUP, "--name", SERVICE]
    source = ["--endpoint", azure.url, "--azure-ca", str(azure.directory / "ca.pem")]
    told = CliRunner().invoke(main, ["import", "azure", *place, *source, *more], env=environment)
    assert told.exception is None or isinstance(told.exception, SystemExit), told.exception
    return told


def content(side: Side) -> dict[str, Any]:
    """Everything that a plane shows, without when it was made."""
    plane, found = side.plane, {}
    for path in (
        *("/namedValues", "/tags", "/loggers", "/groups", "/users", "/groups/g/users", "/apiVersionSets", "/schemas"),
        *(
            "/backends",
            "/policyFragments",
            "/policies",
            "/apis",
            "/apis/a/operations",
            "/apis/a/schemas",
            "/apis/a/tags",
        ),
        *("/apis/a/operations/get/tags", "/apis/a/operations/get/policies", "/apis/a/diagnostics", "/products"),
        *(
            "/apis/a;rev=2/operations",
            "/apis/a;rev=2/operations/get/policies",
            "/products/p/apis",
            "/products/p/groups",
        ),
        *("/products/p/tags", "/subscriptions", "/gateways", "/gateways/g/apis", "/workspaces"),
        *("/workspaces/w/apis", "/workspaces/w/apis/i/operations", "/workspaces/w/products/p/apiLinks"),
    ):
        found[path] = list(plane.all(path))
    found["keys"] = plane.call("POST", "/subscriptions/s/listSecrets")
    found["value"] = plane.call("POST", "/namedValues/key/listValue")
    text = json.dumps(found, sort_keys=True)
    return json.loads(text, object_hook=lambda each: {k: v for k, v in each.items() if not k.endswith("Date")})


def test_everything_comes_over_and_a_second_time_changes_nothing(azure: Side, here: Side) -> None:
    dry = run(azure, here, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "+ /apis/a;rev=2" in dry.output
    assert not here.plane.exists("/apis/a")
    before = here.plane.get("/apis", {"$top": "1"})["count"]
    first = run(azure, here)
    assert first.exit_code == 0, first.output
    assert before == 0
    assert content(here) == content(azure)
    assert "not moved: " in first.output
    revision = first.output.split("revision ")[1].split()[0]
    again = run(azure, here)
    assert "0 are changed" in again.output
    assert f"revision {revision}" in again.output
    for secret in SECRETS:
        assert secret not in dry.output + first.output + again.output


def test_what_goes_there_goes_here_when_that_is_asked_for(azure: Side, here: Side) -> None:
    assert run(azure, here).exit_code == 0
    here.plane.put("/apis/mine", {"displayName": "M", "path": "m"})
    here.plane.put("/apis/a/operations/more", {"displayName": "m", "method": "GET", "urlTemplate": "/m"})
    here.plane.put("/gateways/mine", {"locationData": {"name": "here"}})
    assert "0 are changed" in run(azure, here).output
    told = run(azure, here, "--prune").output
    assert "- /apis/mine\n" in told
    assert "- /apis/a/operations/more\n" in told
    assert here.plane.exists("/gateways/mine")
    assert content(here)["/apis/a/operations"] == content(azure)["/apis/a/operations"]


def test_another_revision_becomes_current(azure: Side, here: Side) -> None:
    assert run(azure, here).exit_code == 0
    azure.plane.put("/apis/a/releases/r2", {"apiId": f"{azure.plane.id}/apis/a;rev=2"})
    try:
        assert run(azure, here).exit_code == 0
        assert here.plane.get("/apis/a")["properties"]["apiRevision"] == "2"
        assert content(here) == content(azure)
        assert "0 are changed" in run(azure, here).output
    finally:
        azure.plane.call("DELETE", "/apis/a/releases/r2", headers={"If-Match": "*"})
        azure.plane.put("/apis/a;rev=1", {**azure.plane.get("/apis/a;rev=1")["properties"], "isCurrent": True})


def reader(side: Side) -> str:
    """A token that may read and do nothing else."""
    import ssl

    form = {"grant_type": "client_credentials", "client_id": "reader", "client_secret": TOKEN}
    context = ssl.create_default_context(cafile=side.directory / "ca.pem")
    data = urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(f"{side.url}/adfs/oauth2/token", data, context=context) as answer:
        return str(json.load(answer)["access_token"])


def test_secrets_that_may_not_be_read_are_told(azure: Side, here: Side) -> None:
    told = run(azure, here, token=reader(azure))
    assert told.exit_code == 1
    assert "missing: /namedValues/key (403 " in told.output
    assert "/namedValues/key has no value: give it by --secret key=@FILE" in told.output
    assert not here.plane.exists("/apis/a")  # its policy needs the value
    (here.directory / "key").write_text("mine\n")
    told = run(azure, here, "--secret", f"key=@{here.directory / 'key'}", token=reader(azure))
    assert told.exit_code == 0, told.output
    assert here.plane.call("POST", "/namedValues/key/listValue")["value"] == "mine"
    assert "missing: /subscriptions/s (403 " in told.output
    assert run(azure, here, token=reader(azure)).exit_code == 0  # what is here stays
    assert here.plane.call("POST", "/namedValues/key/listValue")["value"] == "mine"


def test_wrong_doors(azure: Side, here: Side) -> None:
    told = run(azure, here, token="wrong")
    assert told.exit_code == 1
    assert "passerelle cannot be read: 401" in told.output
    told = run(azure, here, "--name", "other")
    assert "other cannot be read: 404" in told.output
    assert "https" in run(azure, here, "--endpoint", "http://127.0.0.1:1").output


def test_watching_takes_over_changes_and_deletions(azure: Side, here: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def change() -> None:
        azure.plane.put("/products/new", {"displayName": "New"})
        azure.plane.put("/apis/a/operations/put", {"displayName": "put", "method": "PUT", "urlTemplate": "/x"})

    def remove() -> None:
        assert here.plane.exists("/apis/a/operations/put")
        here.plane.put("/tags/mine", {"displayName": "mine"})
        for path in ("/products/new", "/apis/a/operations/put"):
            azure.plane.call("DELETE", path, headers={"If-Match": "*"})

    def end() -> None:
        raise KeyboardInterrupt

    steps = iter((change, remove, lambda: None, end))

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        next(steps)()

    monkeypatch.setattr("passerelle.imports.azure.time.sleep", sleep)
    told = run(azure, here, "--watch", "7")
    assert told.exit_code == 0, told.output
    assert waits == [7, 7, 7, 7]
    assert "+ /products/new" in told.output
    assert "- /products/new" in told.output
    assert not here.plane.exists("/apis/a/operations/put")
    assert here.plane.exists("/tags/mine")
    assert told.output.count("as they were") == 3  # nothing is sent when nothing changed


def test_a_kind_that_may_not_be_read_stops_all_unless_partial(
    azure: Side, here: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    from azure.core.exceptions import HttpResponseError

    from passerelle.live.source import Source

    real = Source.call

    def call(self: Source, group: str, method: str, *names: str, **options: Any) -> Any:
        if group == "backend":
            error = HttpResponseError("The client does not have authorization.")
            error.status_code = 403
            raise error
        return real(self, group, method, *names, **options)

    assert run(azure, here).exit_code == 0
    monkeypatch.setattr(Source, "call", call)
    told = run(azure, here, "--prune")
    assert told.exit_code == 1
    assert "passerelle: backends: 403 The client does not have authorization." in told.output
    told = run(azure, here, "--prune", "--partial")
    assert told.exit_code == 0, told.output
    assert here.plane.exists("/backends/b")  # nobody knows whether it is there


def test_throttling_is_waited_for(azure: Side, here: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    import requests
    import urllib3

    real, throttled = requests.Session.request, []

    def request(self: requests.Session, method: str, url: str, **options: Any) -> requests.Response:
        if "/loggers" in url and not throttled:
            throttled.append(url)
            answer = requests.Response()
            answer.status_code, answer.headers["Retry-After"], answer.url = 429, "1", url
            answer.raw = urllib3.HTTPResponse(io.BytesIO(b"{}"), status=429, preload_content=False)
            return answer
        return real(self, method, url, **options)

    monkeypatch.setattr(requests.Session, "request", request)
    told = run(azure, here)
    assert told.exit_code == 0, told.output
    assert throttled
    assert here.plane.exists("/loggers/l")


def test_every_kind_is_known_to_the_client_and_to_the_plane() -> None:
    from azure.mgmt.apimanagement import ApiManagementClient

    from management.resources import TYPES
    from passerelle.live.kinds import SERVICE as SERVICE_KINDS
    from passerelle.live.kinds import WORKSPACE as WORKSPACE_KINDS
    from tests.management.sdk import Credential

    client = ApiManagementClient(Credential("x"), "s", base_url="https://127.0.0.1")
    for kind in (*SERVICE_KINDS, *WORKSPACE_KINDS):
        group = getattr(client, kind.group)
        for method in (kind.method, kind.secrets, "get" if kind.whole else ""):
            assert not method or callable(getattr(group, method)), (kind, method)
        assert kind.path.lower() in TYPES
    client.close()
