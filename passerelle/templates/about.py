"""Functions of templates that tell of the place of a deployment: ids, the resource group, the deployment itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from passerelle.imports.fetch import is_address
from passerelle.plane import Target
from passerelle.templates.wrong import TemplateWrong

NOBODY = "00000000-0000-0000-0000-000000000000"
ENVIRONMENT = {
    "name": "AzureCloud",
    "resourceManager": "https://management.azure.com/",
    "authentication": {"loginEndpoint": "https://login.microsoftonline.com/", "tenant": "common"},
    "suffixes": {
        "storage": "core.windows.net",
        "keyvaultDns": ".vault.azure.net",
        "sqlServerHostname": ".database.windows.net",
    },
}


def group_id(target: Target) -> str:
    return f"/subscriptions/{target.subscription}/resourceGroups/{target.group}"


def about(target: Target, source: str, name: str) -> dict[str, Callable[..., Any]]:
    """By lower-case name. `source` is the template's file or address, `name` the deployment's."""
    group, account = group_id(target), f"/subscriptions/{target.subscription}"
    link = source if is_address(source) else str(Path(source).absolute())

    def resource_id(*arguments: Any) -> str:
        before, type, names = _parted(arguments)
        if len(before) == 2:
            return _below(f"/subscriptions/{before[0]}/resourceGroups/{before[1]}", type, names)
        return _below(f"{account}/resourceGroups/{before[0]}" if before else group, type, names)

    def subscription_id(*arguments: Any) -> str:
        before, type, names = _parted(arguments)
        return _below(f"/subscriptions/{before[0]}" if before else account, type, names)

    return {
        "resourceid": resource_id,
        "subscriptionresourceid": subscription_id,
        "tenantresourceid": lambda type, *names: _below("", str(type), names),
        "extensionresourceid": lambda base, type, *names: _below(str(base), str(type), names),
        "resourcegroup": lambda: {"id": group, "name": target.group, "location": "local", "tags": {}},
        "subscription": lambda: {
            "id": account,
            "subscriptionId": target.subscription,
            "displayName": "local",
            "tenantId": NOBODY,
        },
        "tenant": lambda: {"tenantId": NOBODY, "displayName": "local"},
        "deployment": lambda: {
            "name": name,
            "location": "local",
            "properties": {"templateLink": {"uri": link}, "mode": "Incremental"},
        },
        "environment": lambda: ENVIRONMENT,
    }


def _parted(arguments: tuple[Any, ...]) -> tuple[tuple[Any, ...], str, tuple[Any, ...]]:
    """Subscription and group, if given; the type; the names."""
    at = next((n for n, each in enumerate(arguments) if "/" in str(each)), 0)
    return arguments[:at], str(arguments[at]), arguments[at + 1 :]


def _below(base: str, type: str, names: tuple[Any, ...]) -> str:
    provider, *kinds = type.strip("/").split("/")
    if not kinds or len(kinds) != len(names):
        raise TemplateWrong(f"the id of a {type} takes {len(kinds)} names, not {len(names)}")
    return f"{base}/providers/{provider}" + "".join(f"/{kind}/{name}" for kind, name in zip(kinds, names, strict=True))
