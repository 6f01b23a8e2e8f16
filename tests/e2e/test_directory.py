"""A folder instead of a plane: edited, broken, mended, swapped, taken away."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from house import House, Load, request, wait_until

pytestmark = pytest.mark.e2e

POLL = 0.5
# a poll, and the time that two busy cores need to check a folder
SOON = POLL + 30
POLICY = """<policies>
    <inbound>
        <base />
    </inbound>
    <backend><base /></backend>
    <outbound>
        <set-header name="X-Colour" exists-action="override"><value>{{colour}}%s</value></set-header>
    </outbound>
</policies>
"""
SPECIFICATION = """openapi: 3.0.1
info: {title: Shop, version: '1'}
paths:
  /orders:
    get: {operationId: orders, responses: {'200': {description: ok}}}
"""
KEY = "a-key-that-only-the-environment-has"


def write(folder: Path, files: dict[str, Any]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps({"properties": content}, indent=2))
    return folder


def artifacts(folder: Path, backend: str) -> Path:
    api = {"serviceUrl": backend, "protocols": ["http", "https"]}
    return write(
        folder,
        {
            "policy.xml": "<policies><inbound /><backend><forward-request /></backend><outbound /></policies>",
            "named values/colour/namedValueInformation.json": {"displayName": "colour", "value": "red"},
            "apis/shop/apiInformation.json": {
                **api, "displayName": "Shop", "path": "shop", "subscriptionRequired": False,
            },
            "apis/shop/specification.yaml": SPECIFICATION,
            "apis/shop/policy.xml": POLICY % "",
            "apis/safe/apiInformation.json": {**api, "displayName": "Safe", "path": "safe"},
            "apis/safe/specification.yaml": SPECIFICATION,
            "subscriptions/s/subscriptionInformation.json": {"displayName": "s", "scope": "/apis/safe"},
        },
    )  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, backend: str) -> Path:
    """As git-sync and mounted ConfigMaps have it: a link to the folder of a version."""
    place = tmp_path_factory.mktemp("place")
    artifacts(place / "v1", backend)
    (place / "current").symlink_to("v1")
    (place / "configuration.test.yaml").write_text(
        "subscriptions:\n- name: s\n  properties: {primaryKey: '{#[SHOP_KEY]#}'}\n"
    )
    return place


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, place: Path) -> Iterator[House]:
    overrides = str(place / "configuration.test.yaml")
    extra = ("--directory", str(place / "current"), "--overrides", overrides)
    it = House(tmp_path_factory.mktemp("house"), POLL, extra, {"SHOP_KEY": KEY})
    try:
        yield it.start()
    finally:
        it.stop()


def status(house: House) -> Any:
    return request(house.info["status"]).json


def colour(house: House, wanted: str) -> None:
    house.everywhere("/shop/orders", lambda reply: reply.headers.get("x-colour") == wanted, SOON)


def test_the_folder_is_served_without_a_plane(house: House) -> None:
    assert house.processes("management") == []
    colour(house, "red")
    assert request(f"{house.gateways[0]}/safe/orders").status == 401
    answer = request(f"{house.gateways[0]}/safe/orders", headers={"Ocp-Apim-Subscription-Key": KEY})
    assert answer.status == 200
    assert status(house)["source"] == "directory"


def test_an_edit_is_live_within_a_poll(house: House, place: Path) -> None:
    write(place / "v1", {"apis/shop/policy.xml": POLICY % "-edited"})
    colour(house, "red-edited")
    write(place / "v1", {"named values/colour/namedValueInformation.json": {"displayName": "colour", "value": "blue"}})
    colour(house, "blue-edited")


def test_what_is_broken_leaves_the_last_good_one(house: House, place: Path) -> None:
    good = (place / "v1/apis/shop/policy.xml").read_text()
    before = status(house)["cursor"]
    with Load([f"{gateway}/shop/orders" for gateway in house.gateways], threads=1, pause=0.05) as load:
        write(place / "v1", {"apis/shop/policy.xml": good.replace("<base />", "<base /><sett-header />", 1)})
        error = wait_until(lambda: status(house)["lastError"], SOON, what="an error")
        assert "/apis/shop/policy.xml:3:18: " in error
        assert "sett-header" in error
        wait_until(lambda: error in house.stderr(), SOON, what="the error on the terminal")
        write(place / "v1", {"apis/shop/policy.xml": good, "apis/shop/apiInformation.json": '{"properties": {'})
        error = wait_until(
            lambda: (text := status(house)["lastError"]) and "Information.json" in text and text, SOON, what="another"
        )
        assert "/apis/shop/apiInformation.json:1:17: " in error
    assert load.failures == []
    assert status(house)["cursor"] == before
    api = {"displayName": "Shop", "path": "shop", "serviceUrl": "http://127.0.0.1:1", "subscriptionRequired": False}
    write(place / "v1", {"apis/shop/apiInformation.json": api})
    wait_until(lambda: status(house)["lastError"] is None, SOON, what="the end of the error")


def test_a_swapped_link_is_one_change(house: House, place: Path, backend: str) -> None:
    artifacts(place / "v2", backend)
    write(place / "v2", {"apis/shop/policy.xml": POLICY % "-two"})
    (place / "next").symlink_to("v2")
    os.replace(place / "next", place / "current")
    colour(house, "red-two")


def test_a_deleted_api_is_gone(house: House, place: Path) -> None:
    shutil.rmtree(place / "v2/apis/safe")
    shutil.rmtree(place / "v2/subscriptions")
    house.everywhere("/safe/orders", lambda reply: reply.status == 404, SOON)
    colour(house, "red-two")


def test_without_the_folder_everything_starts_from_the_backup(house: House, place: Path) -> None:
    os.replace(place / "v2", place / "away")
    wait_until(lambda: "no such folder" in (status(house)["lastError"] or ""), SOON, what="an error")
    colour(house, "red-two")
    agent, sidecars = house.kill("syncagent"), house.kill("proxy")
    started = time.monotonic()
    house.again(agent)
    house.again(sidecars)
    colour(house, "red-two")
    print(f"\nserved from the backup {time.monotonic() - started:.2f} s after the start, without a folder")
    assert status(house)["source"] == "backup"
    os.replace(place / "away", place / "v2")
    wait_until(lambda: status(house)["source"] == "directory", SOON, what="the folder again")


def test_a_folder_that_is_nearly_gone_is_refused_until_it_is_marked(house: House, place: Path) -> None:
    colour(house, "red-two")
    shutil.copytree(place / "v2", place / "v3")
    shutil.rmtree(place / "v3/apis")
    with Load([f"{gateway}/shop/orders" for gateway in house.gateways], threads=1, pause=0.05) as load:
        (place / "next").symlink_to("v3")
        os.replace(place / "next", place / "current")
        told = wait_until(lambda: status(house)["issues"].get("ConfigurationShrunk"), SOON, what="the alarm")
    assert "0 APIs where 1 are held" in told
    assert "full-sync.txt" in told
    assert load.failures == []
    write(place / "v3", {"full-sync.txt": "the shop is closed"})
    house.everywhere("/shop/orders", lambda reply: reply.status == 404, SOON)
    assert "ConfigurationShrunk" not in status(house)["issues"]
