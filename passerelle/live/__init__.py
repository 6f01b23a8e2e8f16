"""A live service of Azure: everything that its ARM API shows, as resources of a plane."""
