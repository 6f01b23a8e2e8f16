"""Which gateways serve the APIs of an import: as in Azure, a gateway serves what is assigned to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click


def gateways_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command gets `gateways`, for `assigned`."""
    return click.option(
        "--gateway", "gateways", multiple=True, metavar="ID", help="Serve the APIs at this gateway, such as `local`."
    )(command)


def assigned(ids: Iterable[str], gateways: Iterable[str]) -> list[tuple[str, dict[str, Any]]]:
    """(id, properties) of the assignments of the APIs among `ids`."""
    apis = [id for id in ids if id.lower().startswith("/apis/") and id.count("/") == 2 and ";" not in id]
    return [(f"/gateways/{gateway}{id}", {}) for gateway in gateways for id in apis]
