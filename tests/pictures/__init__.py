"""What the README shows, made by scripts: `make pictures`."""
