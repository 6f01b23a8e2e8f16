"""Agent and sidecars of two releases: this one and an older one out of the repository's history."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

from tests.e2e.house import REPOSITORY
from tests.faults.place import Place
from tests.faults.row import Figures, NotHere, fault

BACK = 30  # first parents, where no release has a tag


def older() -> tuple[str, bytes]:
    """The last release's name and tree; PASSERELLE_PREVIOUS names another revision. Raises NotHere."""

    def git(*arguments: str) -> bytes:
        done = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True)
        if done.returncode:
            raise NotHere("no older release in a history: name a revision with PASSERELLE_PREVIOUS")
        return done.stdout

    name = os.environ.get("PASSERELLE_PREVIOUS", "")
    if not name:
        tags = git("tag", "--sort=-creatordate", "--merged", "HEAD").decode().split()
        name = tags[0] if tags else f"HEAD~{BACK}"
    return git("rev-parse", "--short", name).decode().strip(), git("archive", "--format=tar", name)


@fault(
    "F39b",
    "agent of this release and sidecars of an older one, and the other way round",
    promise="they understand each other",
    goal="0 failed; changes arrive; backup and counters are taken over",
)
def two_releases(place: Place) -> Figures:
    figures, house = Figures(), place.house
    name, tree = older()
    with tempfile.TemporaryDirectory(dir=place.directory, prefix="o") as directory:
        subprocess.run(["tar", "-x", "-C", directory], input=tree, check=True)
        for module in ("proxy", "syncagent"):
            dead = house.kill(module)
            ours = {process.pid: process.environment.get("PYTHONPATH", "") for process in dead}
            for process in dead:
                place.start_again(process, PYTHONPATH=str(Path(directory)))
            if module == "proxy":
                for gateway in house.gateways:
                    place.forgotten(gateway)
            house.everywhere("/shop/x", lambda reply: reply.status == 200, 60)
            with place.load() as load:
                place.arrived(place.publish())
                time.sleep(3)
                place.arrived(place.publish())
            figures.failed(load)
            house.kill(module)
            for process in dead:
                place.start_again(process, PYTHONPATH=ours[process.pid])
            if module == "proxy":
                for gateway in house.gateways:
                    place.forgotten(gateway)
            house.everywhere("/shop/x", lambda reply: reply.status == 200, 60)
            place.arrived(place.publish())
    figures.say(f"the older one is {name}")
    return figures
