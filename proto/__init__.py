"""Wire contracts between the agent and its sidecars. The obligations are in the .proto files, in prose."""
