"""`passerelle gateways`: who serves what: the instances of each gateway, what they hold, their problems."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import click
from rich.text import Text

from passerelle.connection import connected
from passerelle.plane import Plane, PlaneError
from passerelle.printed import json_option, print_json, print_table
from portal.instances import SILENT_AFTER, ago

WRONG = 3


@click.command()
@click.argument("name", required=False)
@connected
@click.option("--check", is_flag=True, help="End with 3 when a gateway is silent, behind, or complains.")
@json_option
def gateways(plane: Plane, name: str | None, check: bool, as_json: bool) -> None:
    """List the gateways with their sidecars, or say all of the gateway NAME.

    A gateway that was heard of in the last 150 s is up. Behind: revisions it has yet to get.
    """
    try:
        known = [plane.get(f"/gateways/{name}")] if name else list(plane.all("/gateways"))
        found = [_told(plane, each) for each in known]
    except PlaneError as error:
        if name and error.status == 404:
            raise click.ClickException(
                f"There is no gateway {name!r}. `passerelle gateways` lists those there are."
            ) from error
        raise click.ClickException(str(error)) from error
    if as_json:
        print_json(found)
    else:
        _print(found)
    if check and any(problems(each) for each in found):
        raise SystemExit(WRONG)


def _told(plane: Plane, gateway: Mapping[str, Any]) -> dict[str, Any]:
    properties = gateway.get("properties") or {}
    return {
        "name": gateway["name"],
        "region": (properties.get("locationData") or {}).get("name", ""),
        "description": properties.get("description") or "",
        "instances": plane.get(f"/gateways/{gateway['name']}/instances").get("value", []),
    }


def _print(found: list[dict[str, Any]]) -> None:
    rows: list[list[str | Text]] = []
    for gateway in found:
        rows += [_row(gateway["name"], each) for each in gateway["instances"]] or [
            [gateway["name"], Text("never heard of", "yellow"), "", "", "", ""]
        ]
    columns = ["Gateway", "Heartbeat", "Instance", "Revision", "Sidecars", "From"]
    print_table(columns, rows, "There is no gateway yet. `passerelle token --gateway NAME --out FILE` makes one.")
    for gateway in found:
        for problem in problems(gateway):
            click.secho(f"! {gateway['name']}: {problem}", fg="yellow")


def _row(gateway: str, instance: Mapping[str, Any]) -> list[str | Text]:
    age = _age(instance)
    lag = instance.get("lag")
    behind = f" ({lag} behind)" if lag else ""
    sidecars = [each for each in instance.get("sidecars") or [] if isinstance(each, dict)]
    connected_ = sum(each.get("connected") is not False for each in sidecars)
    return [
        gateway,
        Text(ago(age), "green" if age <= SILENT_AFTER else "red"),
        str(instance.get("id") or ""),
        f"{instance.get('cursor') or '-'}{behind}",
        f"{connected_} of {len(sidecars)}",
        str(instance.get("source") or "-"),
    ]


def problems(gateway: Mapping[str, Any]) -> list[str]:
    """What is wrong with a gateway, in sentences. One that nobody runs is no problem."""
    told: list[str] = []
    heard = [each for each in gateway["instances"] if _age(each) <= SILENT_AFTER]
    if gateway["instances"] and not heard:
        told.append(f"silent: last heard of {ago(min(_age(each) for each in gateway['instances']))}")
    for instance in heard:
        who = instance.get("id")
        if instance.get("lag"):
            told.append(f"{who} is {instance['lag']} revision{'s' * (instance['lag'] != 1)} behind")
        told += [f"{who}: {issue(each)}" for each in instance.get("issues") or []]
        for sidecar in instance.get("sidecars") or []:
            if sidecar.get("connected") is False:
                told.append(f"{sidecar.get('id')} is not connected to its agent")
            told += [f"{sidecar.get('id')}: {issue(each)}" for each in sidecar.get("issues") or []]
    return told


def issue(value: Mapping[str, Any]) -> str:
    """`/apis/shop/policies/policy, set-header, line 4, column 7: ...`."""
    line, column = value.get("line"), value.get("column")
    where = [
        str(value.get("resourceId") or value.get("code") or ""),
        str(value.get("element") or ""),
        f"line {line}" if line else "",
        f"column {column}" if column else "",
    ]
    return f"{', '.join(filter(None, where))}: {value.get('message')}"


def _age(instance: Mapping[str, Any]) -> float:
    try:
        heard = datetime.datetime.fromisoformat(str(instance.get("lastHeartbeat")))
    except ValueError:
        return float("inf")
    return (datetime.datetime.now(datetime.UTC) - heard).total_seconds()
