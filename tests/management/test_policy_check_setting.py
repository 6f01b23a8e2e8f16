"""`policy.check`: strict refuses a policy whose references lead nowhere, lenient takes it; both refuse a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from management.settings import SettingWrong, read
from tests.management.conftest import POLICY, Plane

DANGLING = POLICY.format('<include-fragment fragment-id="later" /><set-variable name="a" value="{{Later}}" />')


async def test_strict_is_the_default(plane: Plane) -> None:
    reply = await plane.call("PUT", "/policies/policy", {"value": DANGLING})
    assert reply.status == 400
    assert [detail["target"] for detail in reply.error()["details"]] == ["include-fragment", "set-variable"]


async def test_lenient_takes_what_names_something_that_comes_later(plane: Plane) -> None:
    plane.store.strict = False
    await plane.put("/policies/policy", {"value": DANGLING})
    await plane.put("/policyFragments/later", {"value": "<fragment><set-method>GET</set-method></fragment>"})
    await plane.put("/namedValues/Later", {"displayName": "Later", "value": "1"})
    reply = await plane.call("PUT", "/policies/policy", {"value": POLICY.format("<set-methd />")})
    assert reply.status == 400


UNSUPPORTED = POLICY.format("<authentication-oauth2 />")


async def test_what_is_documented_but_not_supported_is_refused_by_strict_and_left_out_by_lenient(
    plane: Plane, caplog: pytest.LogCaptureFixture
) -> None:
    reply = await plane.call("PUT", "/policies/policy", {"value": UNSUPPORTED})
    assert reply.status == 400
    assert "is not supported" in reply.error()["details"][0]["message"]
    plane.store.strict = False
    await plane.put("/policies/policy", {"value": UNSUPPORTED})
    assert "'authentication-oauth2' is not supported and left out" in caplog.text


def test_the_setting(tmp_path: Path) -> None:
    assert read({"management.data": str(tmp_path)}).strict
    assert not read({"management.data": str(tmp_path), "policy.check": "Lenient"}).strict
    with pytest.raises(SettingWrong, match=r"policy\.check is 'lax': it must be one of strict, lenient"):
        read({"policy.check": "lax"})
