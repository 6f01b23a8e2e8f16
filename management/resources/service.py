"""The service itself. The only type whose stored document is the whole ARM document, not only its `properties`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from management import debugging, differences, history
from management.declare import Change, Field, Properties, ResourceType
from management.errors import invalid
from management.resources import (
    by_tags,
    infrastructure,
    issues,
    regional_gateways,
    service_lists,
    tenant_configuration,
)
from management.secret_fields import Secret
from management.store import Row
from management.transaction import Transaction

ENVELOPE = {"location", "sku", "tags", "identity", "zones", "properties"}
# what the plane fills in when the service is made; `wire` needs it, and a client cannot change it
COMPUTED = ("serviceId", "gatewayUrl", "createdAtUtc")
# what is sent with a host name or a certificate of the service, and needed by nobody here
NOT_KEPT = ("encodedCertificate", "certificatePassword")
DEFAULTS: dict[str, Any] = {
    "location": "local",
    "sku": {"name": "Developer", "capacity": 1},
    "tags": {},
    "properties": {"publisherEmail": "admin@localhost", "publisherName": "Passerelle"},
}


def prepare(change: Change) -> None:
    debug_key = change.properties.get(debugging.KEY)
    document = {key: value for key, value in change.properties.items() if key in ENVELOPE}
    debugging.complete(document, {debugging.KEY: debug_key or change.former.get(debugging.KEY)})
    if not isinstance(document.get("properties", {}), dict):
        raise invalid("properties", "properties must be an object.")
    former = change.former
    document["properties"] = dict(document.get("properties") or {})
    for key in COMPUTED:
        if key in former.get("properties", {}):
            document["properties"][key] = former["properties"][key]
    for name in ("hostnameConfigurations", "certificates"):
        listed = document["properties"].get(name)
        if isinstance(listed, list):
            document["properties"][name] = [_without_keys(each) for each in listed]
    change.properties = document


def _without_keys(item: Any) -> Any:
    return {key: value for key, value in item.items() if key not in NOT_KEPT} if isinstance(item, dict) else item


def shape(tx: Transaction, row: Row, properties: Properties, query: Mapping[str, str]) -> Properties:
    computed = {
        "provisioningState": "Succeeded",
        "targetProvisioningState": "",
        "platformVersion": "stv2",
        "notificationSenderEmail": "",
        "hostnameConfigurations": [],
        "virtualNetworkType": "None",
        "disableGateway": False,
        "publicNetworkAccess": "Enabled",
        "natGatewayState": "Disabled",
        "legacyPortalStatus": "Disabled",
        "developerPortalStatus": "Enabled",
        "apiVersionConstraint": {},
        "customProperties": {},
        "certificates": [],
        "additionalLocations": [],
        "privateEndpointConnections": [],
        "gatewayRegionalUrl": properties["properties"].get("gatewayUrl"),
    }
    stored = {key: value for key, value in properties["properties"].items() if key != "serviceId"}
    for host in stored.get("hostnameConfigurations") or ():
        if isinstance(host, dict):
            host.setdefault("negotiateClientCertificate", False)
            host.setdefault("defaultSslBinding", False)
            host.setdefault("certificateSource", "KeyVault" if host.get("keyVaultId") else "Custom")
    properties["properties"] = computed | stored
    if made := stored.get("createdAtUtc"):
        properties["systemData"] = {"createdAt": made}
    return properties


def wire(row: Row, properties: Properties) -> Properties:
    inner = properties["properties"]
    key = {debugging.KEY: properties[debugging.KEY]} if debugging.KEY in properties else {}
    return {
        "id": inner["serviceId"],
        "name": inner["serviceId"].rsplit("/", 1)[1],
        "location": properties["location"],
        "gatewayUrl": inner["gatewayUrl"],
        **key,
    }


TYPES = (
    ResourceType(
        path="",
        title="Service",
        fields=(
            Field("location", required=True),
            Field("properties.publisherEmail", required=True, longest=100),
            Field("properties.publisherName", required=True, longest=100),
        ),
        readonly=frozenset({debugging.KEY}),
        secrets=(Secret(debugging.KEY),),
        needs_match=False,
        prepare=prepare,
        shape=shape,
        wire=wire,
        views={
            "changes": history.changes,
            "revisions": differences.revisions,
            "differences": differences.differences,
            "issues": issues.all_issues,
            "allPolicies": service_lists.all_policies,
            "policyDescriptions": service_lists.policy_descriptions,
            "workspaceLinks": regional_gateways.workspace_links,
            "regions": service_lists.regions,
            "skus": service_lists.skus,
            "tagResources": by_tags.all_kinds,
            "apisByTags": by_tags.of_kind("api", "includeNotTaggedApis"),
            "productsByTags": by_tags.of_kind("product", "includeNotTaggedProducts"),
        },
        actions={
            "validatePolicies": service_lists.validate_policies,
            "rollback": history.roll_back,
            **infrastructure.ACTIONS,
        },
        documents={
            "networkstatus": infrastructure.network_status,
            "outboundNetworkDependenciesEndpoints": infrastructure.outbound_dependencies,
            "tenant/configuration/syncState": tenant_configuration.sync_state,
        },
    ),
)
