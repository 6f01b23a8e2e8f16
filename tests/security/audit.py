"""`make audit`: what is publicly known to be wrong with the packages of the locks.

Exit codes: 0 nothing is known, 1 something is, 2 the advisory service could not be asked, so nothing was checked.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements/runtime.lock", "requirements/dev.lock")
TOOL = ROOT / "build" / "audit" / "bin" / "pip-audit"
PATIENCE = 300  # seconds


def audited(lock: str, tool: Path = TOOL) -> tuple[int, list[str]]:
    """The exit code for a lock, and lines that say why. The hashes of the lock are not resolved again."""
    command = [str(tool), "--requirement", str(ROOT / lock), "--disable-pip", "--require-hashes", "--format", "json"]
    try:
        ran = subprocess.run(
            [*command, "--progress-spinner", "off"], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        found = json.loads(ran.stdout)["dependencies"]
    except FileNotFoundError:
        return 2, [f"{tool} is not there: run `make audit`, which installs it."]
    except subprocess.TimeoutExpired:
        return 2, [f"NOT CHECKED: no answer within {PATIENCE} s. Try again where the advisory service can be reached."]
    except (ValueError, KeyError):
        last = (ran.stderr.strip().splitlines() or [f"exit code {ran.returncode}"])[-1]
        return 2, [
            f"NOT CHECKED: the advisory service could not be asked ({last[:300]}).",
            "Run it again where the package index can be reached.",
        ]
    lines = [
        f"{each['name']} {each['version']}: {one['id']}, fixed in {', '.join(one.get('fix_versions') or ['none'])}"
        for each in found
        for one in each.get("vulns") or ()
    ]
    return (1, lines) if lines else (0, [f"{len(found)} packages, nothing is known"])


def main() -> int:
    worst = 0
    for lock in LOCKS:
        code, lines = audited(lock)
        print(f"{lock}: " + "\n    ".join(lines))
        worst = max(worst, code)
    return worst


if __name__ == "__main__":
    sys.exit(main())
