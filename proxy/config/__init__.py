"""Configuration as the sidecar sees it: `resources` (frozen shapes), `snapshot` (apply a diff), `gateway` (build)."""
