"""What the image will be, made and tried without Docker: `make image`, as root on Debian.

The two scripts of compose/ make the tree, it is entered as its user (chroot), a whole Passerelle starts in it and
answers a call. Printed: what it weighs, unpacked and packed, and whether a second build is the same, byte for byte.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TREE = ROOT / "build" / "image"
GOAL = 250.0  # MB, unpacked
PREFIX = Path("/opt/passerelle")
USER = "1001:1001"
ENVIRONMENT = {
    "PATH": f"{PREFIX}/bin:/usr/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONSAFEPATH": "1",
    "LANG": "C.UTF-8",
}
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "requirements", "compose", "proto", "telemetry", "syncagent",
           "proxy", "management", "portal", "passerelle")  # fmt: skip


def main() -> int:
    missing = [each for each in ("mmdebstrap", "strip", "python3.11", "chroot") if shutil.which(each) is None]
    if os.geteuid() != 0 or missing or PREFIX.exists():
        print(
            f"not here: it needs root, Debian with mmdebstrap, binutils and python3.11-venv, and no {PREFIX}", missing
        )
        return 0
    first = build()
    size, packed = weigh()
    print(f"unpacked {size:.0f} MB (goal: less than {GOAL:.0f}), packed {packed:.0f} MB, {len(first)} files")
    answered = run()
    print(f"in it, as user {USER}: a call through the gateway is answered {answered}")
    second = build()
    different = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
    print(f"built again: {len(different)} of {len(first)} files are different {different[:5] or ''}")
    return 0 if size < GOAL and answered == 200 and not different else 1


def build() -> dict[str, str]:
    """Make the tree; the digest of each file in it."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1767225600"}
    shutil.rmtree(TREE, ignore_errors=True)
    source = ROOT / "build" / "image-source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    for name in SOURCES:
        path = ROOT / name
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(path, source / name, ignore=ignored) if path.is_dir() else shutil.copy(path, source / name)
    subprocess.run(["sh", "compose/rootfs.sh", str(TREE)], cwd=source, env=environment, check=True)
    try:
        command = ["sh", "compose/environment.sh", str(PREFIX), "/usr/bin/python3.11"]
        subprocess.run(command, cwd=source, env=environment, check=True)
        shutil.copytree(PREFIX, TREE / "opt" / "passerelle", symlinks=True)
    finally:
        shutil.rmtree(PREFIX, ignore_errors=True)
        shutil.rmtree(source)
    return {
        str(path.relative_to(TREE)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(TREE.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def weigh() -> tuple[float, float]:
    """Megabytes: of its files, and of the tree as a layer is packed."""
    size = sum(each.lstat().st_size for each in TREE.rglob("*") if each.is_file() and not each.is_symlink())
    archive = ROOT / "build" / "image.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=6) as packed:
        packed.add(TREE, ".")
    weight = archive.stat().st_size
    archive.unlink()
    return size / 1e6, weight / 1e6


def run() -> int:
    """The status of one call of the demo, through a Passerelle in the tree."""
    inside = [str(PREFIX / "bin" / "passerelle"), "up", "--json", "--data", "/data/up"]
    ports = [each for name in ("management", "gateway", "portal") for each in (f"--{name}-port", "0")]
    command = [str(shutil.which("chroot")), f"--userspec={USER}", str(TREE), *inside, *ports]
    for name in ("proc", "dev"):
        subprocess.run(["mount", "--bind", f"/{name}", str(TREE / name)], check=True)
    try:
        with subprocess.Popen(
            command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            state = json.loads((TREE / "data" / "up" / "demo" / "state.json").read_text())
            host = told["gateways"][0].removeprefix("http://")
            connection = http.client.HTTPConnection(host, timeout=10)
            connection.request("GET", "/shop/books/1", headers={"Ocp-Apim-Subscription-Key": state["key"]})
            status = connection.getresponse().status
            connection.close()
            process.terminate()
            process.wait(30)
    finally:
        time.sleep(0.5)
        for name in ("dev", "proc"):
            subprocess.run(["umount", str(TREE / name)], check=True)
        shutil.rmtree(TREE / "data" / "up", ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
