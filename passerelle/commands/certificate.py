"""`passerelle certificate`: a certificate of a plane's own authority, for the TLS port of a gateway."""

from __future__ import annotations

from pathlib import Path

import click

from passerelle.connection import DATA
from passerelle.printed import json_option, print_json


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=DATA,
    show_default=True,
    help="The plane's directory (management.data), in which its ca.pem and ca.key lie.",
)
@click.option(
    "--name", "names", multiple=True, required=True, help="A host name or address of the gateway; as often as you like."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder for tls.crt and tls.key, both of mode 0600.",
)
@json_option
def certificate(data: Path, names: tuple[str, ...], out: Path, as_json: bool) -> None:
    """Make a certificate for the TLS port of a gateway (net.server.https.certificate.file), by the plane's authority.

    It lives for a year. One that is there already, has the names and lives for another month is left alone, so that
    this may be run each day; sidecars take new files with the next handshake. Clients trust ca.pem of the plane.
    """
    from management.authority import issue

    wanted = list(dict.fromkeys(names))
    files = out / "tls.crt", out / "tls.key"
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = issue(data, *files, wanted)
    except FileNotFoundError:
        raise click.ClickException(
            f"{data} has no ca.pem and ca.key: give --data the directory of a plane that was started"
        ) from None
    except OSError as problem:
        raise click.ClickException(f"{problem.filename} cannot be used: {problem.strerror}") from None
    except ValueError as problem:
        raise click.ClickException(str(problem)) from None
    if as_json:
        print_json({"made": made, "certificate": str(files[0]), "key": str(files[1]), "names": wanted})
    else:
        done = "is made" if made else "is good for another month"
        click.echo(f"the certificate of {', '.join(wanted)} in {out} {done}", err=True)
