"""The Azure CLI from PyPI against a plane over TLS: every `az apim` command that means something here.

    python -m tests.clients.azure_cli.run [FOLDER]      default: build/clients/azure_cli

It is installed into FOLDER the first time (about 1 GB and two minutes); AZURE_CLI may name one that is there already.
Nothing outside FOLDER changes: the CLI's own settings are in a folder that goes at the end.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

from tests.clients.azure_cli.steps import STEPS, Fails
from tests.management.sdk import GROUP, SERVICE, SUBSCRIPTION, served

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[2] / "build" / "clients" / "azure_cli"
TOKEN = "the-admin-token"
VERSION = "2.91.0"
ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.ApiManagement/service/{SERVICE}"


def install(folder: Path) -> Path:
    """The `az` of FOLDER."""
    program = folder / "bin" / "az"
    if not program.exists():
        print(f"Installing azure-cli {VERSION} into {folder}; this takes minutes")
        venv.create(folder, with_pip=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, f"azure-cli=={VERSION}"], check=True)
    return program


class Cli:
    """`az`, with settings of its own and the plane as its cloud."""

    def __init__(self, program: Path, url: str, data: Path) -> None:
        self.program, self.url, self.data = program, url, data
        self.environment = {
            **os.environ,
            "AZURE_CONFIG_DIR": str(data / "azure"),
            "REQUESTS_CA_BUNDLE": str(data / "ca.pem"),
            "AZURE_CORE_COLLECT_TELEMETRY": "false",
            "AZURE_CORE_ONLY_SHOW_ERRORS": "true",
        }

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.program), *words]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=120, check=False, cwd=self.data
        )

    def sign_in(self) -> None:
        for words in (
            f"cloud register -n Local --endpoint-resource-manager {self.url}",
            "cloud set -n Local",
            f"login --service-principal -u x -p {TOKEN} --tenant adfs",
        ):
            done = self.run(*words.split())
            assert done.returncode == 0, f"az {words.replace(TOKEN, '***')}: {done.stderr}"

    def step(self, line: str, expected: Any) -> str | None:
        """None when the answer is as expected, else what it was."""
        out = self.data / "out"
        out.mkdir(exist_ok=True)
        words = [self._filled(word, out) for word in shlex.split(line)]
        where = {"@": ["-g", GROUP, "-n", SERVICE], "#": ["-g", GROUP, "--service-name", SERVICE]}
        words = [each for word in words for each in where.get(word, [word])]
        done = self.run(*words, "-o", "json")
        told = (done.stderr or done.stdout).strip()[-600:]
        if isinstance(expected, Fails):
            return None if done.returncode and expected.text in done.stderr else f"did not fail as it should: {told}"
        if done.returncode:
            return told
        answer = json.loads(done.stdout) if done.stdout.strip() else None
        if isinstance(expected, str) and "_" in expected:
            file = out / expected
            return None if file.exists() and file.stat().st_size > 50 else f"no {expected}, but {os.listdir(out)}"
        return None if holds(answer, expected) else f"answered {json.dumps(answer)[:600]}"

    def _filled(self, word: str, out: Path) -> str:
        word = word.replace("DOCS", str(HERE / "documents")).replace("OUT", str(out))
        return word.replace("ARM", self.url + ID) if word.startswith("ARM") else word


def holds(answer: Any, expected: Any) -> bool:
    """Whether an answer has what is expected of it; see steps.py."""
    if isinstance(expected, dict):
        return isinstance(answer, dict) and all(holds(answer.get(key), value) for key, value in expected.items())
    if isinstance(expected, list) and isinstance(answer, list) and answer and isinstance(answer[0], dict):
        return sorted(each["name"] for each in answer) == sorted(expected)
    if isinstance(expected, int) and not isinstance(expected, bool):
        items = answer.get("value") if isinstance(answer, dict) else answer
        return answer == expected or (isinstance(items, list) and len(items) == expected)
    if isinstance(expected, str) and not isinstance(answer, str):
        return expected in json.dumps(answer)
    return bool(answer == expected)


def main(folder: Path) -> int:
    named = os.environ.get("AZURE_CLI")
    program = Path(named) if named else install(folder)
    failed = 0
    with tempfile.TemporaryDirectory() as directory, served(Path(directory), TOKEN) as url:
        cli = Cli(program, url, Path(directory))
        cli.sign_in()
        for line, expected in STEPS:
            started = time.monotonic()
            why = cli.step(line, expected)
            failed += why is not None
            print(f"{'works' if why is None else 'FAILS'} {time.monotonic() - started:5.1f} s  az {line}", flush=True)
            if why:
                print(f"      {why}", flush=True)
    print(f"{len(STEPS) - failed} of {len(STEPS)} commands work")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
