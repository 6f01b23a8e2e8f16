"""Figures, on loopback, in one run: `python -m benchmarks.gateway` (what a request costs, beside a bare aiohttp reverse
proxy) and `python -m benchmarks.scale` (what thousands of APIs cost). They print; they never judge.

Both need Linux: CPU time and memory come from /proc.
"""
