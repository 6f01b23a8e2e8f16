"""Developer portal and operator console; knows only the plane's HTTP API. Start reading at `web.py`."""
