"""The JavaScript client from npm, of two api-versions, against a plane over TLS.

    python -m tests.clients.javascript.run [FOLDER]      default: build/clients/javascript

Needs node and npm; says so and ends well where they are missing. Nothing outside FOLDER changes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.management.sdk import served

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[2] / "build" / "clients" / "javascript"
TOKEN = "the-admin-token"
OLDEST_NODE = 20
PACKAGE = "@azure/arm-apimanagement"
VERSIONS = ("10.0.0", "9.2.0")  # api-version 2024-05-01 and 2022-08-01


def missing() -> str | None:
    """Why it cannot run here."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "no node or npm here"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").split(".")[0]) < OLDEST_NODE:
        return f"node {version} is too old, {OLDEST_NODE} is needed"
    return None


def install(folder: Path, version: str) -> str | None:
    """Into `folder`, unless the same is there; why not when npm cannot."""
    folder.mkdir(parents=True, exist_ok=True)
    held = folder / "installed"
    if held.exists() and held.read_text() == version:
        return None
    (folder / "package.json").write_text(json.dumps({"private": True, "type": "module"}))
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent", f"{PACKAGE}@{version}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        return f"npm could not install {PACKAGE}@{version}: {(done.stderr or done.stdout).strip()[-500:]}"
    held.write_text(version)
    return None


def run(folder: Path) -> int:
    """The stories of plane.test.mjs with the client in `folder`, on a plane of their own."""
    shutil.copy(HERE / "plane.test.mjs", folder)
    with tempfile.TemporaryDirectory() as data, served(Path(data), TOKEN) as url:
        environment = {
            **os.environ,
            "PLANE_URL": url,
            "PLANE_TOKEN": TOKEN,
            "NODE_EXTRA_CA_CERTS": str(Path(data) / "ca.pem"),
        }
        command = ["node", "--test", "--test-reporter=spec", "plane.test.mjs"]
        return subprocess.run(command, cwd=folder, env=environment, timeout=150, check=False).returncode


def main(folder: Path) -> int:
    failed = 0
    for version in VERSIONS:
        place = folder / version
        why = missing() or install(place, version)
        if why:
            print(f"The JavaScript client {version} was not tested: {why}")
            continue
        print(f"{PACKAGE} {version}", flush=True)
        failed |= run(place)
    return failed


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
