"""Which statuses changes answer with, held against the specification, and where long-running operations lead to."""

from __future__ import annotations

import re

import pytest

from management.operations import statuses
from management.resources import TYPES
from tests.management.conftest import Plane
from tests.management.specification import Specification
from tests.management.test_replay import official

SERVICE = re.compile(r".*/providers/microsoft\.apimanagement/service/\{\}(?:/workspaces/\{\})?(?P<below>/.*)?$")


def test_each_status_is_one_of_the_specification() -> None:
    """Of every resource type and method, in the version that the specification is of."""
    folder, version = official()
    wrong = []
    seen = 0
    for operation in Specification.read(folder).operations:
        match = SERVICE.fullmatch(operation.shape)
        parts = (match["below"] or "").split("/")[1:] if match else [""]
        if match is None or len(parts) % 2 or any(part == "{}" for part in parts[::2]):
            continue
        path = "/".join(parts[::2])
        kind = TYPES.get(path)
        if kind is None or not path or any(part != "{}" for part in parts[1::2]):
            continue
        told = statuses(path, version, "/workspaces/{}/" in operation.shape)
        answers = {
            "HEAD": told.head,
            "PUT": 200 if kind.closed else told.created,
            "PATCH": told.patched,
            "DELETE": told.deleted,
        }
        status = answers.get(operation.method, 200)
        seen += 1
        if status not in operation.codes:
            wrong.append((operation.id, status, sorted(operation.codes)))
    assert seen > 300
    assert not wrong


@pytest.mark.parametrize(
    ("version", "status"), [("2022-08-01", 200), ("2023-03-01-preview", 200), ("2023-05-01-preview", 202)]
)
async def test_the_version_decides(plane: Plane, version: str, status: int) -> None:
    await plane.api("shop")
    query = {"api-version": version}
    assert (await plane.call("DELETE", "/apis/shop", query=query)).status == status
    assert (await plane.call("DELETE", "/apis/shop", query=query)).status == 204


async def test_what_a_long_deletion_links_to_answers(plane: Plane) -> None:
    await plane.api("shop")
    reply = await plane.call("DELETE", "/apis/shop")
    assert reply.status == 202
    assert reply.headers["Retry-After"] == "1"
    ended = await plane.call("GET", reply.headers["Location"])
    assert ended.status == 204
    told = await plane.call("GET", reply.headers["Azure-AsyncOperation"])
    assert (told.status, told.body["status"]) == (200, "Succeeded")
    result = reply.headers["Azure-AsyncOperation"].replace("operationStatuses", "operationResults")
    assert (await plane.call("GET", result)).status == 200


async def test_an_operation_that_was_never_begun_is_not_there(plane: Plane) -> None:
    await plane.api("shop")
    reply = await plane.call("DELETE", "/apis/shop")
    forged = re.sub(r"operationStatuses/\w{8}", "operationStatuses/00000000", reply.headers["Azure-AsyncOperation"])
    assert (await plane.call("GET", forged)).status == 404
    forged = re.sub(r"asyncId=\w{8}", "asyncId=00000000", reply.headers["Location"])
    assert (await plane.call("GET", forged)).status == 404
