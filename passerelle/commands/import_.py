"""`passerelle import`: what others describe, as resources of a plane. One file of `passerelle/imports/` per source."""

from __future__ import annotations

import click

from passerelle.lazy import LazyGroup

COMMANDS = {
    "openapi": "documents:openapi",
    "wsdl": "documents:wsdl",
    "wadl": "documents:wadl",
    "graphql": "documents:graphql",
    "odata": "documents:odata",
    "grpc": "documents:grpc",
    "arm-template": "arm_template",
    "azure": "azure",
}


@click.group("import", cls=LazyGroup, package="passerelle.imports", modules=COMMANDS)
def import_() -> None:
    """Import an API description, an ARM template, or a live service of Azure."""
