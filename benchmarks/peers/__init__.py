"""What our sidecar is measured with and beside: a backend that costs nothing, and a bare aiohttp reverse proxy."""
