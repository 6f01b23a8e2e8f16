"""The wiki of an API or a product: the documents that stand on its portal page. There is one, named "default"."""

from __future__ import annotations

import re

from management.declare import ARRAY, Field, ResourceType

TYPES = tuple(
    ResourceType(
        path=path,
        title="Wiki",
        audience="none",
        name=re.compile("default", re.IGNORECASE),
        fields=(Field("documents", ARRAY),),
    )
    for path in ("apis/wikis", "products/wikis")
)
