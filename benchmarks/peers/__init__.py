"""What our sidecar is measured with and beside: a backend that costs nothing, and the proxies people use.

A proxy is one file with `peer: Peer`; each proxies every path to one backend, with one worker.
"""
