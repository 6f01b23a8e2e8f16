"""The management plane: an ARM-shaped REST API over a store with a revision log. Start reading at `arm.py`."""
