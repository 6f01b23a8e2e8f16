"""Fetches what browsers load and nobody here wrote, from npm: by name, version and digest, some files of a package.

`python -m tests.browser.vendor` (make vendor) writes swagger-ui to where the portal serves it; it is checked in, so
that neither a build nor a start needs npm. Tests of accessibility fetch axe-core into `build/`.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class NotFetched(Exception):
    """npm is missing, does not reach its registry, or gave something else than what was asked for."""


@dataclass(frozen=True)
class Package:
    """`integrity` is npm's; `files` are (name in the package, name here)."""

    name: str
    version: str
    integrity: str
    files: tuple[tuple[str, str], ...]


SWAGGER_UI = Package(
    "swagger-ui-dist",
    "5.35.0",
    "sha512-U06rpMtW9V3XPGOBeamTUSr0Z09jMX4IJuANpE/EZbAhw0G8CgwrzU4YmXkn/h0wCDNsXdGarTNNHC3sU8yVUQ==",
    (
        ("swagger-ui-bundle.js", "swagger-ui-bundle.js"),
        ("swagger-ui.css", "swagger-ui.css"),
        ("LICENSE", "LICENSE.txt"),
        ("NOTICE", "NOTICE.txt"),
        ("swagger-ui-bundle.js.LICENSE.txt", "swagger-ui-bundle.js.LICENSE.txt"),
    ),
)
AXE = Package(
    "axe-core",
    "4.14.1",
    "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
    (("axe.min.js", "axe.min.js"),),
)
PLACE = ROOT / "portal" / "static" / "vendor" / "swagger_ui"


def fetch(package: Package, place: Path) -> None:
    """Raises NotFetched."""
    npm = shutil.which("npm")
    if npm is None:
        raise NotFetched("npm is not there: install Node.js")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", f"{package.name}@{package.version}", "--silent", "--pack-destination", folder]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        except subprocess.TimeoutExpired:
            raise NotFetched("npm did not end within two minutes") from None
        found = list(Path(folder).glob("*.tgz"))
        if done.returncode or len(found) != 1:
            raise NotFetched(f"npm pack {package.name}@{package.version} failed: {done.stderr.strip()[-300:]}")
        digest = base64.b64encode(hashlib.sha512(found[0].read_bytes()).digest()).decode()
        if f"sha512-{digest}" != package.integrity:
            raise NotFetched(f"{package.name}@{package.version} is not what it was: sha512-{digest}")
        place.mkdir(parents=True, exist_ok=True)
        with tarfile.open(found[0]) as archive:
            for name, here in package.files:
                content = archive.extractfile(f"package/{name}")
                assert content is not None, name
                (place / here).write_bytes(content.read())


def main() -> int:
    try:
        fetch(SWAGGER_UI, PLACE)
    except NotFetched as error:
        print(f"vendor: {error}", file=sys.stderr)
        return 1
    print(f"{SWAGGER_UI.name} {SWAGGER_UI.version} is in {PLACE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
