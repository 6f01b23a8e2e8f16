"""APIOps artifact folders: a service as files, https://github.com/Azure/apiops."""
