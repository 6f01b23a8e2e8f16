"""The curl samples are shell commands: a shell must read back exactly what was meant."""

from __future__ import annotations

import shlex

from hypothesis import assume, given
from hypothesis import strategies as st

from portal.model import Api, Operation
from portal.samples import KEY, Versioning, address, curl
from tests.portal.fake_plane import OPERATION, SHOP, resource

GATEWAY = "http://127.0.0.1:8080"


def words(sample: str) -> list[str]:
    return shlex.split(sample.replace("\\\n", ""))


def test_a_sample_in_full() -> None:
    sample = curl(GATEWAY, Api.read(SHOP), Operation.read(OPERATION), Versioning("Header", "Api-Version"))
    assert words(sample) == [
        "curl",
        "--request",
        "PUT",
        "http://127.0.0.1:8080/shop/books/1?lang=en&all=all",
        "--header",
        f"X-Shop-Key: {KEY}",
        "--header",
        "Api-Version: v1",
        "--header",
        "X-Why: it's",
        "--header",
        "Content-Type: application/json",
        "--data-raw",
        '{\n  "title": "L\'Étranger"\n}',
    ]


def test_versions() -> None:
    api = Api.read(SHOP)
    plain = Operation.read(resource("apis/a/operations/o", method="GET", urlTemplate="/"))
    assert address(GATEWAY, api, Versioning("Segment")) == f"{GATEWAY}/shop/v1"
    assert words(curl(GATEWAY, api, plain, Versioning("Segment")))[1] == f"{GATEWAY}/shop/v1/"
    assert words(curl(GATEWAY, api, plain, Versioning("Query", "api-version")))[1] == f"{GATEWAY}/shop/?api-version=v1"


def test_a_wildcard_keeps_its_slashes_and_a_head_request_is_one() -> None:
    operation = Operation.read(
        resource(
            "apis/a/operations/o",
            method="HEAD",
            urlTemplate="/files/{*path}",
            templateParameters=[{"name": "path", "type": "string", "required": True, "defaultValue": "a b/c"}],
        )
    )
    open_api = Api.read(resource("apis/a", path="", subscriptionRequired=False))
    assert words(curl(GATEWAY, open_api, operation, Versioning())) == ["curl", "--head", f"{GATEWAY}/files/a%20b/c"]


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
    read = words(curl(GATEWAY, api, operation, Versioning()))
    assert read[:3] == ["curl", "--request", "POST"]
    assert read[4::2] == ["--header"] * (len(read[4::2]) - 1) + ["--data-raw"]
    assert read[-1] == value
