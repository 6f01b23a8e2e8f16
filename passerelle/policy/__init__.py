"""`passerelle policy`: one file per sub-command; `passerelle.commands.policy` lists them."""
