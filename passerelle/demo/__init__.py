"""The demo: a small book shop behind the gateway, so that there is something to try at once."""
