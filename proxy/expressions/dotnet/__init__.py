"""The allow-list: .NET types and members that expressions may use, one file per family."""
