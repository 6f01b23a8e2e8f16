"""A click group whose sub-commands are loaded when they are asked for."""

from __future__ import annotations

import importlib
from typing import Any

import click


class LazyGroup(click.Group):
    def __init__(self, *arguments: Any, package: str, modules: dict[str, str], **more: Any) -> None:
        """`modules`: sub-command -> module within the package, and the name in it where that is not `command`."""
        super().__init__(*arguments, **more)
        self._package, self._modules = package, modules

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self._modules)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in self._modules:
            return None
        module, _, attribute = self._modules[name].partition(":")
        command = getattr(importlib.import_module(f"{self._package}.{module}"), attribute or "command")
        assert isinstance(command, click.Command)
        return command
