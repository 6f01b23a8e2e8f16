"""HTTP/2, towards clients and towards backends, on the h2 library. Read first: wire.py."""
