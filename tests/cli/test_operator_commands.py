"""revisions, diff, rollback and gateways on a real plane, as a person and as a script call them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from passerelle.commands.gateways import problems
from passerelle.main import main
from passerelle.plane import Plane

POLICY = "<policies><inbound><base />{}</inbound><backend><base /></backend><outbound><base /></outbound></policies>"
HEADER = '\n<set-header name="X-A" exists-action="override"><value>1</value></set-header>\n'


def run(plane: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env=plane)


def client(plane: dict[str, str]) -> Plane:
    return Plane(plane["PASSERELLE_MANAGEMENT"], plane["PASSERELLE_TOKEN"], ca=Path(plane["PASSERELLE_CA"]))


def shop(plane: dict[str, str]) -> Plane:
    made = client(plane)
    made.put("/apis/shop", {"displayName": "Shop", "path": "shop", "protocols": ["https"]})
    return made


def revision(plane: dict[str, str]) -> int:
    return int(json.loads(run(plane, "revisions", "--last", "1", "--json").output)[0]["revision"])


def test_a_change_is_listed_shown_and_taken_back(plane: dict[str, str]) -> None:
    made = shop(plane)
    before = revision(plane)
    made.put_policy("/apis/shop", POLICY.format(HEADER))
    listed = run(plane, "revisions")
    assert listed.exit_code == 0
    first = listed.output.splitlines()[2]
    assert first.startswith(f"{before + 1} ")
    assert "/apis/shop/policies/policy" in first
    assert "admin, with passerelle" in first

    shown = run(plane, "diff", str(before), "--exit-code")
    assert shown.exit_code == 3
    assert "+ /apis/shop/policies/policy" in shown.output
    assert '+<set-header name="X-A"' in shown.output
    assert run(plane, "diff", str(before + 1)).output == "There is no difference.\n"

    back = run(plane, "rollback", str(before), "--json")
    assert json.loads(back.output)["revision"] == before + 2
    assert not made.exists("/apis/shop/policies/policy")
    assert "roll back to" in run(plane, "revisions").output
    assert run(plane, "diff", str(before), "--exit-code").exit_code == 0


def test_a_folder_beside_the_service(plane: dict[str, str], tmp_path: Path) -> None:
    made = shop(plane)
    made.put("/namedValues/pass", {"displayName": "pass", "value": "hunter2", "secret": True})
    folder = tmp_path / "artifacts"
    assert run(plane, "export", str(folder)).exit_code == 0
    assert run(plane, "diff", str(folder), "--exit-code").output.endswith("There is no difference.\n")

    information = folder / "apis" / "shop" / "apiInformation.json"
    changed = json.loads(information.read_text())
    changed["properties"]["displayName"] = "The shop"
    information.write_text(json.dumps(changed))
    (folder / "apis" / "shop" / "policy.xml").write_text(POLICY.format(HEADER))
    shown = run(plane, "diff", str(folder), "--exit-code")
    assert shown.exit_code == 3, shown.output
    assert '- displayName: "Shop"' in shown.output
    assert '+ displayName: "The shop"' in shown.output
    assert "+ /apis/shop/policies/policy" in shown.output
    assert "hunter2" not in shown.output
    assert made.get("/apis/shop")["properties"]["displayName"] == "Shop"  # nothing was changed
    told = json.loads(run(plane, "diff", str(folder), "--json").output)
    assert {each["operation"] for each in told} == {"create", "update"}


def test_what_diff_cannot_do(plane: dict[str, str], tmp_path: Path) -> None:
    assert run(plane, "diff", "999").exit_code == 1
    assert "must be the number of a revision" in run(plane, "diff", "999").output
    assert run(plane, "diff", str(tmp_path), "3").exit_code == 2


def test_gateways_and_who_is_behind(plane: dict[str, str]) -> None:
    none = run(plane, "gateways")
    assert "passerelle token" in none.output
    client(plane).put("/gateways/edge", {"locationData": {"name": "Rack 4"}})
    listed = run(plane, "gateways", "--check")
    assert listed.exit_code == 0
    assert "never heard of" in listed.output
    told = json.loads(run(plane, "gateways", "edge", "--json").output)
    assert (told[0]["name"], told[0]["region"], told[0]["instances"]) == ("edge", "Rack 4", [])
    missing = run(plane, "gateways", "nobody")
    assert missing.exit_code == 1
    assert "no gateway 'nobody'" in missing.output


@pytest.mark.parametrize(
    ("instance", "said"),
    [
        ({"lastHeartbeat": "2020-01-01T00:00:00Z"}, "silent"),
        ({"lag": 3}, "3 revisions behind"),
        ({"issues": [{"code": "BackupFailed", "message": "no space"}]}, "BackupFailed: no space"),
        ({"sidecars": [{"id": "s1", "connected": False}]}, "not connected"),
        (
            {
                "sidecars": [
                    {"id": "s1", "issues": [{"resourceId": "/apis/x", "line": 4, "column": 7, "message": "bad"}]}
                ]
            },
            "s1: /apis/x, line 4, column 7: bad",
        ),
    ],
)
def test_problems_of_a_gateway(instance: dict[str, Any], said: str) -> None:
    fresh = {"id": "a", "lastHeartbeat": "2999-01-01T00:00:00Z", **instance}
    assert any(said in each for each in problems({"instances": [fresh]}))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    told = CliRunner().invoke(main, ["completion", shell])
    assert told.exit_code == 0
    assert "_PASSERELLE_COMPLETE" in told.output
