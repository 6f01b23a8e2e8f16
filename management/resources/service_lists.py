"""Lists that the service as a whole shows: its policies, what policies there are, where it runs, what it could be."""

from __future__ import annotations

import datetime
from typing import Any

from management import policy_check
from management.declare import Answer, Call
from management.errors import ArmError

Item = dict[str, Any]
# ARM tells the scopes of a policy as flags
FLAGS = {"global": 1, "product": 2, "api": 4, "operation": 8, "workspace": 16}
# (name, most units)
SKUS = (("Developer", 1), ("Basic", 2), ("Standard", 4), ("Premium", 12))


def all_policies(call: Call) -> list[Item]:
    """Every policy document of the service. What is stored has been checked, so it complies."""
    rows = [row for path in policy_check.SCOPES if path.endswith("policies") for row in call.tx.of_type(path)]
    return [
        {
            "id": f"{call.tx.service.id}/allPolicies/{number}",
            "type": "Microsoft.ApiManagement/service/allPolicies",
            "name": str(number),
            "properties": {"referencePolicyId": call.tx.service.id + row.id, "complianceState": "Compliant"},
        }
        for number, row in enumerate(rows, 1)
    ]


def policy_descriptions(call: Call) -> list[Item]:
    """The policies that a document may use, those of one scope when `scope` is asked for."""
    scope = {"tenant": "global", "all": ""}.get(
        call.query.get("scope", "").lower(), call.query.get("scope", "").lower()
    )
    if scope and scope not in FLAGS:
        raise ArmError(400, "ValidationError", "scope must be Tenant, Product, Api, Operation or All.")
    return [
        {
            "id": f"{call.tx.service.id}/policyDescriptions/{name}",
            "type": "Microsoft.ApiManagement/service/policyDescriptions",
            "name": name,
            "properties": {"description": summary, "scope": sum(FLAGS.get(each, 0) for each in scopes)},
        }
        for name, scopes, summary in policy_check.policies_there_are()
        if not scope or scope in scopes
    ]


def regions(call: Call) -> list[Item]:
    return [{"name": call.row.body["location"], "isMasterRegion": True, "isDeleted": False}]


def skus(call: Call) -> list[Item]:
    """The sizes that clients know. Here they differ in name only."""
    return [
        {
            "resourceType": "Microsoft.ApiManagement/service",
            "sku": {"name": name},
            "capacity": {"minimum": 1, "maximum": most, "default": 1, "scaleType": "manual" if most > 1 else "none"},
        }
        for name, most in SKUS
    ]


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def validate_policies(call: Call) -> Answer:
    """Compile every policy of the service again."""
    started = _now()
    found = [
        detail.message
        for path in policy_check.SCOPES
        for row in call.tx.of_type(path)
        for detail in policy_check.findings(call.tx, row)
    ]
    return Answer(
        200,
        {
            "id": "validation",
            "type": "Microsoft.ApiManagement/service/tenant/operationResults",
            "name": "validation",
            "properties": {
                "status": "Failed" if found else "Succeeded",
                "started": started,
                "updated": _now(),
                "resultInfo": f"{len(found)} errors" if found else "All the policies were validated",
                "actionLog": [{"objectType": "Policy", "action": "Validate", "objectKey": each} for each in found],
            },
        },
    )
