"""`passerelle up`: the whole house on loopback, started in order, watched, and ended in order. Read `run` first."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from passerelle import rooms
from passerelle.connection import DATA
from passerelle.demo import seed
from passerelle.demo.page import write_page
from passerelle.home import Home, HomeInUse
from passerelle.house import House, StartFailed, Stopped
from passerelle.listening import LOOPBACK, PortTaken
from passerelle.plan import GATEWAY, Options, Plan, Source, make_plan
from passerelle.plane import Plane, PlaneError
from passerelle.private import write_private
from passerelle.probe import facts_of, status_of
from passerelle.voice import Voice

STATUS = "/status-0123456789abcdef"
START_SECONDS = 60.0
FOLDER_SECONDS = 600.0  # a large one is imported and checked whole
TOKEN_RENEWAL = 23 * 86_400.0  # seconds; a token lives 30 days
TOKEN_RETRY = 3_600.0


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=DATA, show_default=True, help="Everything lies here.")
@click.option("--management-port", type=click.IntRange(0, 65_535), default=9080, show_default=True, help="Plain http.")
@click.option("--gateway-port", type=click.IntRange(0, 65_535), default=8080, show_default=True,
              help="Of the first sidecar; the next ones follow.")  # fmt: skip
@click.option("--gateway-tls-port", type=click.IntRange(0, 65_535),
              help="TLS, with HTTP/2 and HTTP/1.1: of the first sidecar; trust DATA/ca.pem.")  # fmt: skip
@click.option("--portal-port", type=click.IntRange(0, 65_535), default=9090, show_default=True)
@click.option("--sidecars", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes per sidecar.")
@click.option("--poll-interval", type=click.FloatRange(0.1, 3600), default=10.0, show_default=True,
              help="Seconds between two looks for new configuration.")  # fmt: skip
@click.option("--no-demo", is_flag=True, help="No demo backend and no demo API: an empty service.")
@click.option("--directory", type=click.Path(path_type=Path, file_okay=False),
              help="Serve this APIOps folder, and start no management plane, portal or demo.")  # fmt: skip
@click.option("--overrides", type=click.Path(path_type=Path, dir_okay=False),
              help="With --directory: its configuration.<env>.yaml.")  # fmt: skip
@click.option("--tokens", type=click.Path(path_type=Path, file_okay=False),
              help="With --directory: a folder with one file for each {#NAME#}.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON when ready; logs go to standard error.")
def up(
    data: Path, management_port: int, gateway_port: int, gateway_tls_port: int | None, portal_port: int, sidecars: int,
    workers: int, poll_interval: float, no_demo: bool, directory: Path | None, overrides: Path | None,
    tokens: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Start a management plane, a sync agent, proxy sidecars, the portal and a demo on this machine.

    For every port, 0 means any free one. Ctrl-C ends it all.
    """
    if directory is None and (overrides or tokens):
        raise click.UsageError("--overrides and --tokens belong to --directory")
    source = None
    if directory is not None:
        if gateway_tls_port is not None:
            raise click.UsageError("--gateway-tls-port needs a plane, whose certificate it uses")
        source = Source(directory.absolute(), overrides and overrides.absolute(), tokens and tokens.absolute())
        no_demo, management_port, portal_port = True, 0, 0
    options = Options(
        data.absolute(),
        management_port,
        gateway_port,
        portal_port,
        sidecars,
        workers,
        poll_interval,
        not no_demo,
        source,
        gateway_tls_port,
    )
    voice = Voice(copy_logs=as_json)
    home = Home(options.data)
    try:
        home.prepare()
        home.lock()
        plan = make_plan(options, home, seed.last_backend_port(home))
    except (HomeInUse, PortTaken, OSError) as error:
        raise click.ClickException(str(error)) from error
    house = House(home, voice)
    house.listen_to_signals()
    try:
        run(plan, house, voice, as_json)
    except Stopped:
        voice.say("ending")
    except (StartFailed, PlaneError) as error:
        raise click.ClickException(str(error)) from error
    finally:
        sidecar_names = [f"sidecar-{number}" for number in range(1, sidecars + 1)]
        house.end(sidecar_names, ["portal"], ["agent"], ["management"], ["backend"])
    voice.say("ended")


def run(plan: Plan, house: House, voice: Voice, as_json: bool) -> None:
    """Start everything, print the result, watch. Leaves only by an exception; `Stopped` is the good one."""
    if plan.source is not None:
        run_directory(plan, plan.source, house, voice, as_json)
        return
    with voice.step(f"management plane on {plan.management_url}"):
        plane = start_plane(plan, house)
    if plan.demo:
        with voice.step(f"demo backend on {plan.backend_url}"):
            backend = house.start(rooms.backend(plan))
            house.wait_for(backend, lambda: status_of(plan.backend_port, "/health") == 200, START_SECONDS, "readiness")
        with voice.step("demo API, product, subscription and policies"):
            seed.seed(plan, plane)
    with voice.step("sync agent"):
        write_token(plan, plane)
        agent = house.start(rooms.agent(plan))
        house.wait_for(agent, lambda: status_of(plan.health_port, "/live") == 200, START_SECONDS, "liveness")
    with voice.step(f"{len(plan.gateway_ports)} sidecars on {', '.join(plan.gateway_urls)}"):
        start_sidecars(plan, house)
    with voice.step(f"portal on {plan.portal_url}"):
        portal = house.start(rooms.portal(plan))
        house.wait_for(portal, lambda: 200 <= status_of(plan.portal_port, "/") < 500, START_SECONDS, "readiness")
    if plan.demo:
        with voice.step("demo API live on every sidecar"):
            seed.wait_until_live(plan, house)
    click.echo(json.dumps(summary(plan)) if as_json else write_page(plan))
    house.watch(TokenRenewal(plan, plane, voice))


def run_directory(plan: Plan, source: Source, house: House, voice: Voice, as_json: bool) -> None:
    """The same without a plane. Sidecars are ready once the folder, or what the backup holds of it, is in force."""
    with voice.step(f"sync agent on {source.directory}"):
        agent = house.start(rooms.agent(plan))
        house.wait_for(agent, lambda: status_of(plan.health_port, "/live") == 200, START_SECONDS, "liveness")
        folder = FolderNews(plan, voice)
        house.wait_for(agent, folder.ready, FOLDER_SECONDS, "a good folder")
    with voice.step(f"{len(plan.gateway_ports)} sidecars on {', '.join(plan.gateway_urls)}"):
        start_sidecars(plan, house)
    click.echo(json.dumps(summary(plan)) if as_json else write_page(plan))
    house.watch(folder)


def start_plane(plan: Plan, house: House) -> Plane:
    """The plane answers an authenticated ARM call and has made its CA."""
    child = house.start(rooms.management(plan))

    def ready() -> bool:
        if not (plan.home.admin_token.exists() and plan.home.ca.exists()):
            return False
        try:
            connect(plan).get("")
        except PlaneError:
            return False
        return True

    house.wait_for(child, ready, START_SECONDS, f"an answer of {plan.service}")
    return connect(plan)


def connect(plan: Plan) -> Plane:
    return Plane(plan.management_url, plan.home.admin_token.read_text(encoding="utf-8").strip(), plan.service)


def write_token(plan: Plan, plane: Plane) -> None:
    write_private(plan.home.gateway_token, f"{plane.gateway_token(GATEWAY)}\n")


def start_sidecars(plan: Plan, house: House) -> None:
    """All at once; ready when each answers, with several workers a few times in a row, since any of them may answer."""
    children = [house.start(rooms.sidecar(plan, number)) for number in range(1, len(plan.gateway_ports) + 1)]
    asked = 1 if plan.workers == 1 else 4 * plan.workers
    for child, port in zip(children, plan.gateway_ports, strict=True):

        def ready(port: int = port) -> bool:
            return all(status_of(port, STATUS) == 200 for _ in range(asked))

        house.wait_for(child, ready, START_SECONDS + plan.poll_interval, "readiness")


def summary(plan: Plan) -> dict[str, object]:
    """The line of `--json`."""
    if plan.source is not None:
        status = f"http://{LOOPBACK}:{plan.health_port}/ready"
        return {"directory": str(plan.source.directory), "gateways": plan.gateway_urls, "status": status}
    return {
        "management": plan.management_url,
        "management_tls": plan.management_tls_url,
        "service": plan.service,
        "gateways": plan.gateway_urls,
        **({"gateways_tls": plan.gateway_tls_urls} if plan.gateway_tls_urls else {}),
        "portal": plan.portal_url,
        "token": plan.home.admin_token.read_text(encoding="utf-8").strip(),
        "ca": str(plan.home.ca),
    }


class FolderNews:
    """Called while the house runs: tells what is wrong with the folder, and when it is well again."""

    def __init__(self, plan: Plan, voice: Voice) -> None:
        self._port, self._voice = plan.health_port, voice
        self._told, self._version, self._due = "", 0, 0.0

    def __call__(self) -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + 1
            self.ready()

    def ready(self) -> bool:
        """Whether there is a configuration, from the folder or the backup."""
        facts = facts_of(self._port, "/ready")
        error, version = str(facts.get("lastError") or ""), int(facts.get("cursor") or 0)
        if error and error != self._told:
            goes_on = f"; version {version} goes on" if version else ""
            self._voice.say(f"the folder is not taken{goes_on}:\n{error}", "red")
        elif version and version != self._version:
            self._voice.say(f"version {version} is in force, from the {facts.get('source')}")
        if facts:
            self._told, self._version = error, version
        return bool(facts.get("ready"))


class TokenRenewal:
    """Called while the house runs: a fresh token a week before the old one ends; the agent reads the file again."""

    def __init__(self, plan: Plan, plane: Plane, voice: Voice) -> None:
        self._plan, self._plane, self._voice = plan, plane, voice
        self._due = time.time() + TOKEN_RENEWAL  # not monotonic: a machine may sleep for days

    def __call__(self) -> None:
        if time.time() < self._due:
            return
        try:
            write_token(self._plan, self._plane)
            self._due = time.time() + TOKEN_RENEWAL
        except (PlaneError, OSError) as error:  # also a full disk ends nobody
            self._due = time.time() + TOKEN_RETRY
            self._voice.say(f"the gateway token could not be renewed, next try in an hour: {error}", "red")
