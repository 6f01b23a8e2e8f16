"""One file per sub-command; `passerelle.main` lists them."""
