"""API descriptions -> ARM resources. Pure: text in, dataclasses out; nothing is fetched and nothing is stored.

An import of a large document takes a second of CPU: call it in a thread, not on the event loop.
"""

from management.importers.imported import ImportedApi, ImportedOperation, ImportRefused
from management.importers.openapi import import_document

__all__ = ["ImportRefused", "ImportedApi", "ImportedOperation", "import_document"]
