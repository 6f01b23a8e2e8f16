"""`python -m passerelle` is `passerelle`."""

from passerelle.main import main

main(prog_name="passerelle")
