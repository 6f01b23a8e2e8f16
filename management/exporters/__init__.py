"""API descriptions out of what is stored: the way back of `management/importers`."""
