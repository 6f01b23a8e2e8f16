"""`python -m proxy`: one sidecar. Settings come from the environment (docs/settings.md)."""

from __future__ import annotations

import sys

from proxy.app import main

if __name__ == "__main__":
    sys.exit(main())
