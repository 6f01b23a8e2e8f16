"""`passerelle import`: where resources come from."""
