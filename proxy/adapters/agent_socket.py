"""The agent's unix socket as a sidecar finds it: dialled only if nobody but our own user can have made it."""

from __future__ import annotations

import os
import stat


def unfit(path: str) -> str:
    """Why a socket is not to be dialled, empty for one that only we can have made: whoever serves it says what this
    gateway does."""
    directory = os.path.dirname(path)
    try:
        found, place = os.lstat(path), os.lstat(directory)
    except OSError:
        return f"there is no socket at {path} yet"
    own = os.geteuid()
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid != own:
        return f"{path} is not a socket of ours; run agent and sidecar as one user"
    if not stat.S_ISDIR(place.st_mode) or place.st_uid != own or stat.S_IMODE(place.st_mode) & 0o022:
        return f"{directory} is not ours alone; remove it, the agent makes it anew (0700)"
    return ""
