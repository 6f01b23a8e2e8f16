"""Saved configurations of the service, under the names of branches.

In Azure these are branches of a Git repository. Here the revision log has every configuration already: `save` keeps the
number of the present revision under a name, `deploy` makes the service again what it was then, as a new revision, and
`validate` says whether that is possible. The log keeps its latest 100,000 revisions; an older one is out of reach.
Workspaces have logs of their own and stay as they are.
"""

from __future__ import annotations

import datetime
import re
from typing import Any

from management import history
from management.declare import Action, Answer, Call, Change, ResourceType
from management.errors import ArmError, invalid, not_allowed
from management.store import Row

KEY = "/tenant/configuration"
KEPT = "/savedconfigurations"  # also what rolling back leaves alone
BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def save(call: Call) -> Answer:
    branch = _branch(call)
    now = _now()
    # what is kept is itself a change, the next one
    call.write.put(f"/savedConfigurations/{branch}", {"revision": call.tx.revision, "savedAt": now}, trusted=True)
    return _told(call, now, f"Revision {call.tx.revision} was saved as {branch}.")


def deploy(call: Call) -> Answer:
    now, found = _now(), _saved(call)
    if isinstance(found, ArmError):
        return _told(call, now, failure=found)
    restored = history.restore(call.tx, found.body["revision"], spare=KEPT)
    call.write.put(found.id, found.body | {"deployedAt": now}, trusted=True)
    return _told(call, now, f"Revision {found.body['revision']} was deployed: {restored} resources are what they were.")


def validate(call: Call) -> Answer:
    """A revision was valid when it was made, so it is still, as long as the log has it."""
    found = _saved(call)
    if isinstance(found, ArmError):
        return _told(call, _now(), failure=found)
    return _told(call, _now(), f"Revision {found.body['revision']} can be deployed.")


def sync_state(call: Call) -> dict[str, Any]:
    """Of the branch that was saved or deployed last."""
    tx = call.tx
    rows = tx.children(KEPT)
    last = max(rows, key=lambda row: row.revision, default=None)
    state: dict[str, Any] = {"isGitEnabled": False, "isExport": False, "isSynced": False}
    if last is not None:
        deployed = last.body.get("deployedAt")
        state |= {
            "branch": last.name,
            "commitId": f"{last.body['revision']:040x}",
            "isExport": deployed is None,
            # saving or deploying was the last change of all
            "isSynced": last.revision == tx.service.revision,
            "syncDate": deployed or last.body["savedAt"],
            "configurationChangeDate": history.time_of(tx, tx.service.revision) or last.body["savedAt"],
        }
    return {
        "id": f"{tx.service.id}{KEY}/syncState",
        "type": "Microsoft.ApiManagement/service/tenant/syncState",
        "name": "syncState",
        "properties": state,
    }


def prepare(change: Change) -> None:
    if "revision" not in change.properties:
        raise not_allowed("A configuration is saved with POST tenant/configuration/save.")


def _branch(call: Call) -> str:
    properties = call.body.get("properties")
    branch = properties.get("branch") if isinstance(properties, dict) else None
    if not isinstance(branch, str) or not BRANCH.fullmatch(branch):
        raise invalid("properties.branch", "branch must be a name of letters, digits, '.', '_' and '-'.")
    return branch


def _saved(call: Call) -> Row | ArmError:
    branch = _branch(call)
    row = call.tx.get(f"{KEPT}/{branch}")
    if row is None:
        return invalid("properties.branch", f"Nothing was saved as '{branch}'. Save it first.")
    if row.body["revision"] < call.tx.service.horizon:
        return invalid("properties.branch", f"Revision {row.body['revision']} is no longer in the log. Save it anew.")
    return row


def _told(call: Call, started: str, info: str = "", failure: ArmError | None = None) -> Answer:
    """The result of the operation, which is done."""
    name = f"{call.tx.revision:024x}"
    properties: dict[str, Any] = {
        "id": name,
        "status": "Failed" if failure else "Succeeded",
        "started": started,
        "updated": _now(),
        "actionLog": [],
    }
    if failure:
        properties["error"] = {"code": failure.code, "message": failure.details[0].message}
    else:
        properties["resultInfo"] = info
    place = f"{call.tx.service.id}/tenant/operationResults/{name}"
    document = {"id": place, "type": "Microsoft.ApiManagement/service/tenant/operationResults", "name": name}
    return Answer(200, document | {"properties": properties})


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


ACTIONS: dict[str, Action] = {"save": save, "deploy": deploy, "validate": validate}

TYPES = (
    ResourceType(
        path="savedConfigurations",
        title="Saved configuration",
        audience="none",
        name=BRANCH,
        readonly=frozenset({"revision", "savedAt", "deployedAt"}),
        can_patch=False,
        needs_match=False,
        prepare=prepare,
    ),
)
