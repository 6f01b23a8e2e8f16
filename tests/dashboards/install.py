"""The metrics store and the checkers with which dashboards, alerts and `compose/` are tested: python -m
tests.dashboards.install.

They are Debian's packages, of a release that may be newer than this machine's, unpacked below build/dashboards and not
installed: nothing of the system changes. Their checksums are in Debian's signed lists. Where there is no apt-get and no
Debian, this says so with exit code 1.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "dashboards"
STORE, PROMTOOL, VMALERT = FOLDER / "victoria-metrics", FOLDER / "promtool", FOLDER / "vmalert"
COMPOSE = FOLDER / "docker-compose"  # it checks files without an engine
WANTED = {
    STORE: "usr/bin/victoria-metrics",
    PROMTOOL: "usr/bin/promtool",
    VMALERT: "usr/bin/vmalert",
    COMPOSE: "usr/libexec/docker/cli-plugins/docker-compose",
}
PACKAGES = ("victoria-metrics", "promtool", "docker-compose")
RELEASE = "trixie"
WHAT = f"{RELEASE}: {', '.join(PACKAGES)}"
MIRROR = "http://deb.debian.org/debian"
KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class NotHere(Exception):
    """Why they cannot be had on this machine."""


def install() -> None:
    """Do nothing when they are there; one process at a time. Raises NotHere."""
    done = FOLDER / ".done"
    if done.exists() and done.read_text() == WHAT:
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists() or done.read_text() != WHAT:
            _install()
            done.write_text(WHAT)


def _install() -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None or not KEYS.exists():
        raise NotHere(
            "victoria-metrics, promtool and docker-compose come from Debian's packages, and this is no Debian"
        )
    apt = FOLDER / "apt"
    for name in ("lists/partial", "cache/archives/partial", "parts"):
        (apt / name).mkdir(parents=True, exist_ok=True)
    (apt / "status").touch()
    (apt / "sources.list").write_text(f"deb [signed-by={KEYS}] {MIRROR} {RELEASE} main\n", encoding="utf-8")
    options = {
        "Dir::Etc::SourceList": apt / "sources.list",
        "Dir::Etc::SourceParts": apt / "parts",
        "Dir::State::Lists": apt / "lists",
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt / "cache",
        "APT::Sandbox::User": "",
        "Acquire::Retries": "3",
        "Acquire::http::Timeout": "20",
    }
    command = ["apt-get", "-qq", *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]
    for step in ([*command, "update"], [*command, "download", *PACKAGES]):
        ran = subprocess.run(step, cwd=apt, capture_output=True, text=True, timeout=300, check=False)
        if ran.returncode:
            raise NotHere(f"Debian's packages cannot be had: {(ran.stderr or ran.stdout).strip()[-300:]}")
    for package in apt.glob("*.deb"):
        subprocess.run(["dpkg", "-x", str(package), str(apt)], check=True, timeout=100)
    for tool, path in WANTED.items():
        (apt / path).replace(tool)
    shutil.rmtree(apt)


def main() -> int:
    try:
        install()
    except NotHere as reason:
        print(reason, file=sys.stderr)
        return 1
    print(f"{', '.join(PACKAGES)} are there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
