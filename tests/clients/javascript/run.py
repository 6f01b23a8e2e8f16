"""The JavaScript client from npm against a plane over TLS.

    python -m tests.clients.javascript.run [FOLDER]      default: build/clients/javascript

Needs node and npm; says so and ends well where they are missing. Nothing outside FOLDER changes.
"""

from __future__ import annotations

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


def missing() -> str | None:
    """Why it cannot run here."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "no node or npm here"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").split(".")[0]) < OLDEST_NODE:
        return f"node {version} is too old, {OLDEST_NODE} is needed"
    return None


def install(folder: Path) -> str | None:
    """Into `folder`, unless the same is there; why not when npm cannot."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted, held = (HERE / "package.json").read_text(), folder / "installed.json"
    if held.exists() and held.read_text() == wanted:
        return None
    shutil.copy(HERE / "package.json", folder)
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        return f"npm could not install the client: {(done.stderr or done.stdout).strip()[-500:]}"
    held.write_text(wanted)
    return None


def main(folder: Path) -> int:
    why = missing() or install(folder)
    if why:
        print(f"The JavaScript client was not tested: {why}")
        return 0
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


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
