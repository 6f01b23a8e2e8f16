"""Schemas of bodies and parameters: read, made into validators and examples when configuration is applied. Pure."""
