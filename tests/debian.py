"""Programs that tests start: `python -m tests.debian` installs what is missing, where it may: as root, on Debian.

Elsewhere it says what is missing; the tests that need it are skipped and say so, too. Never fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

# package -> a program or a file of it
NEEDED = {
    "chromium": "chromium",
    "libfaketime": "/usr/lib/*/faketime/libfaketime.so.1",
    "nftables": "nft",
    "iproute2": "ip",
    "postgresql": "/usr/lib/postgresql/*/bin/initdb",
    "redis-server": "redis-server",
}
# What the portal's samples are run with: hundreds of megabytes, so only where nothing may be skipped.
LANGUAGES = {
    "default-jdk-headless": "javac",
    "golang-go": "go",
    "mono-mcs": "mcs",
    "nodejs": "node",
    "php-cli": "php",
    "php-curl": "/etc/php/*/cli/conf.d/*-curl.ini",
    "ruby": "ruby",
}


def missing() -> list[str]:
    """Packages."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    needed = NEEDED | LANGUAGES if os.environ.get("CI") else NEEDED
    return [package for package, what in needed.items() if not _there(what, path)]


def _there(what: str, path: str) -> bool:
    if what.startswith("/"):
        return any(Path("/").glob(what.lstrip("/")))
    return shutil.which(what, path=path) is not None


def main() -> None:
    lacking = missing()
    if not lacking:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(f"Tests that need these programs will be skipped: {', '.join(lacking)}")
        return
    print(f"Installing for the tests: {', '.join(lacking)}", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *lacking]):
        subprocess.run(["apt-get", "-qq", *command], env=quiet, check=False, capture_output=True, timeout=600)
    if still := missing():
        print(f"These could not be installed, and tests that need them will be skipped: {', '.join(still)}")


if __name__ == "__main__":
    main()
