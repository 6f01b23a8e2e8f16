"""The `passerelle` command: one file per sub-command."""
