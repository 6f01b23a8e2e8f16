"""Commands of the docs that one machine cannot run, read as closely as can be.

`make` names a target that is there; `helm` is given a chart that renders with these values; `docker compose` files that
exist, and services of them; `kubectl` manifests that are valid; `az rest` a body that is JSON; `pip` an extra of ours.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import click
import kubernetes_validate
import yaml

from passerelle.main import main
from tests.dashboards import install
from tests.docs.statements import ROOT, Statement

HELM = shutil.which("helm", path=str(Path(sys.executable).parent)) or shutil.which("helm")
KUBERNETES = "1.32"
VERBS = {
    "annotate", "apply", "cp", "create", "delete", "describe", "edit", "exec", "get", "label", "logs", "patch",
    "port-forward", "replace", "rollout", "scale",
}  # fmt: skip
COMPOSE_VERBS = {"build", "config", "cp", "down", "exec", "logs", "ps", "pull", "restart", "run", "start", "stop", "up"}


def look(statement: Statement, folder: Path) -> None:
    """Raises AssertionError with what is wrong. `folder` has the files that the page made up to here."""
    text = statement.text.split("<<")[0]
    words = shlex.split(text.replace("\\\n", " "), comments=True)
    while "=" in words[0]:
        words.pop(0)
    READERS[statement.head](words[1:], folder)


def _make(words: list[str], folder: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    asked = [word for word in words if "=" not in word]
    assert asked, "make what?"
    assert set(asked) <= targets, f"make has no {set(asked) - targets}"


def _file(name: str, folder: Path) -> Path:
    found = [place / name for place in (folder, ROOT) if (place / name).exists()]
    assert found, f"{name} is neither in the project nor made by the page"
    return found[0]


def _options(words: list[str], *names: str) -> list[str]:
    """The values of options, `--values FILE` and `--values=FILE`."""
    found = [after for word, after in itertools.pairwise(words) if word in names]
    return found + [word.split("=", 1)[1] for word in words if word.split("=", 1)[0] in names and "=" in word]


def _helm(words: list[str], folder: Path) -> None:
    assert words[0] in {
        "diff",
        "get",
        "history",
        "install",
        "lint",
        "rollback",
        "status",
        "template",
        "uninstall",
        "upgrade",
    }
    if words[0] not in {"install", "lint", "template", "upgrade"} or HELM is None:
        return
    given = ["template", "edge", str(_chart(words, folder))]
    for file in _options(words, "-f", "--values"):
        given += ["--values", str(_file(file, folder))]
    for name in ("--set", "--set-string"):
        for value in _options(words, name):
            given += [name, value]
    for value in _options(words, "--set-file"):
        key, _, file = value.partition("=")
        made = folder / file
        if not made.exists():  # what a command before it would have written
            made.write_text(
                "GatewayKey edge&209901010000&c2lnbmF0dXJl" if "token" in file else "-----BEGIN CERTIFICATE-----\n"
            )
        given += ["--set-file", f"{key}={made}"]
    done = subprocess.run([HELM, *given], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    for each in filter(None, yaml.safe_load_all(done.stdout)):
        kubernetes_validate.validate(each, KUBERNETES, strict=True)


def _chart(words: list[str], folder: Path) -> Path:
    charts = [word for word in words if word.startswith(("kubernetes/", "./kubernetes/"))]
    assert charts, "no chart of ours is named"
    return _file(charts[0], folder)


@functools.cache
def _services(file: Path) -> frozenset[str]:
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    found = set(document.get("services") or {})
    for each in document.get("include") or []:
        found |= _services(file.parent / (each["path"] if isinstance(each, dict) else each))
    return frozenset(found)


@functools.cache
def _configured(files: tuple[Path, ...], given: tuple[Path, ...]) -> None:
    """Docker Compose itself takes them, where tests/dashboards/install.py has fetched it."""
    if not install.COMPOSE.exists():
        return
    options = [word for file in files for word in ("-f", str(file))]
    options += [word for file in given for word in ("--env-file", str(file))]
    command = [str(install.COMPOSE), *options, "config", "--quiet"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr


def _docker(words: list[str], folder: Path) -> None:
    if words[0] == "compose":
        files = [_file(name, folder) for name in _options(words, "-f", "--file")]
        assert files, "docker compose of which file?"
        services = frozenset[str]().union(*map(_services, files))
        given = [_file(name, folder) for name in _options(words, "--env-file")]
        _configured(tuple(files), tuple(given))
        rest = words[1:]
        while rest and rest[0].startswith("-"):
            rest = rest[2:]
        assert rest[0] in COMPOSE_VERBS, rest[0]
        named = [word for word in rest[1:] if re.fullmatch(r"[a-z][a-z0-9-]*", word)]
        if rest[0] in {"exec", "run", "logs", "restart", "stop", "start"} and named:
            assert named[0] in services, f"no service {named[0]}"
        return
    assert words[0] in {
        "build",
        "buildx",
        "cp",
        "image",
        "images",
        "inspect",
        "load",
        "push",
        "run",
        "save",
        "tag",
        "volume",
    }
    for name in _options(words, "-f", "--file"):
        _file(name, folder)


def _kubectl(words: list[str], folder: Path) -> None:
    rest = list(words)
    while rest[0].startswith("-"):
        rest = rest[2:]
    assert rest[0] in VERBS, rest[0]
    for name in _options(words, "-f", "--filename"):
        if name == "-":
            continue
        for each in filter(None, yaml.safe_load_all(_file(name, folder).read_text(encoding="utf-8"))):
            group = each["apiVersion"].rpartition("/")[0]
            if "." not in group or group.endswith(".k8s.io"):  # others bring schemas of their own
                kubernetes_validate.validate(each, KUBERNETES, strict=True)


def _az(words: list[str], folder: Path) -> None:
    assert words[0] in {"account", "apim", "bicep", "login", "rest"}, words[0]
    for body in _options(words, "--body", "-b"):
        json.loads(body)


def _pip(words: list[str], folder: Path) -> None:
    assert words[0] == "install"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for name in re.findall(r"\[(\w+)\]", " ".join(words)):
        assert name in extras, f"no extra {name}"


def _git(words: list[str], folder: Path) -> None:
    assert words[0] in {"clone", "log", "pull", "checkout", "fetch", "status", "diff"}, words[0]


def _any(words: list[str], folder: Path) -> None:
    """Another system's, of which this machine knows nothing."""


def _passerelle(words: list[str], folder: Path) -> None:
    """One that stays, or is only shown: its options are there."""
    command: click.Command = main
    while isinstance(command, click.Group):
        name = words.pop(0)
        found = command.get_command(click.Context(command), name)
        assert found is not None, f"there is no {name}"
        command = found
    command.make_context(name, words)


READERS: dict[str, Callable[[list[str], Path], None]] = {
    "apt-get": _any,
    "az": _az,
    "curl": _any,
    "docker": _docker,
    "env": _any,
    "git": _git,
    "helm": _helm,
    "kubectl": _kubectl,
    "make": _make,
    "passerelle": _passerelle,
    "pip": _pip,
    "psql": _any,
    "systemctl": _any,
}
