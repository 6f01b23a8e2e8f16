"""`passerelle completion`: what makes a shell complete our commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash   echo 'eval "$(passerelle completion bash)"' >> ~/.bashrc
    zsh    echo 'eval "$(passerelle completion zsh)"' >> ~/.zshrc
    fish   passerelle completion fish > ~/.config/fish/completions/passerelle.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None, "click knows the three"
    click.echo(kind(context.find_root().command, {}, "passerelle", "_PASSERELLE_COMPLETE").source())
