"""The sidecar: routes, admits, applies policies, forwards, records. Start reading at `lifecycle.py`."""
