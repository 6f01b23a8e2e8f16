"""One file for each fault or few that belong together; whatever lies here is found."""
