"""The body of a request: received within bounds, then parsed.

Rules
1. What is larger than `SMALL` waits in a file while it arrives, however slowly, and is parsed and worked on one at a
   time: many clients with large bodies cost the memory of one.
2. JSON is taken strictly: see `decode`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import tempfile
from collections.abc import Awaitable, Callable
from typing import IO, Any

from aiohttp import web

from management.errors import ArmError, bad_request

SMALL = 1024 * 1024
# an import may bring 16 MiB of document, which JSON escapes, and a change of many resources several of them
LARGEST_BODY = 64 * 1024 * 1024
# a batch may bring a whole service: thousands of APIs with their documents
LARGEST_BATCH = 256 * 1024 * 1024
PIECE = 256 * 1024
IN_THREAD = 64 * 1024  # what is longer is parsed in a thread
DEEPEST = 100  # levels of a document
NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # as JSON writes it; no database keeps it in a text
TURN = web.AppKey("turn", asyncio.Lock)
TAKEN = web.RequestKey("taken", bool)  # this request has the turn


@web.middleware
async def give_back_the_turn(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    finally:
        if request.get(TAKEN):
            request.app[TURN].release()


async def read_body(request: web.Request, largest: int = LARGEST_BODY) -> dict[str, Any]:
    """The JSON object that was sent; {} for no body. Raises ArmError 400, and 413 beyond `largest`."""
    with contextlib.closing(tempfile.SpooledTemporaryFile(SMALL)) as file:
        size = await _receive(request, file, largest)
        if size > SMALL:
            await request.app[TURN].acquire()
            request[TAKEN] = True
        content = await asyncio.to_thread(_whole, file) if size > IN_THREAD else _whole(file)
    if not content.strip():
        return {}
    try:
        document = await asyncio.to_thread(decode, content) if size > IN_THREAD else decode(content)
    except ValueError as error:
        raise bad_request("InvalidRequestContent", f"The request content is not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise bad_request("InvalidRequestContent", "The request content must be a JSON object.")
    return document


async def _receive(request: web.Request, file: IO[bytes], largest: int) -> int:
    size = 0
    async for piece in request.content.iter_chunked(PIECE):
        size += len(piece)
        if size > largest:
            raise ArmError(413, "RequestEntityTooLarge", f"The request content is larger than {largest} bytes.")
        if size > SMALL:
            await asyncio.to_thread(file.write, piece)
        else:
            file.write(piece)
    return size


def _whole(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def decode(content: bytes) -> Any:
    """Strict JSON: no NaN, no NUL, no lone surrogates, not nested beyond reason. Raises ValueError."""

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is not JSON")

    try:
        text = content.decode("utf-8-sig")
        document = json.loads(text, parse_constant=refuse)
        if NUL.search(text):
            raise ValueError("it holds a NUL character")
        if "\\ud" in text.lower():
            json.dumps(document, ensure_ascii=False).encode()
        if text.count("{") + text.count("[") > DEEPEST and deeper_than(DEEPEST, document):
            raise RecursionError
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return document


def deeper_than(levels: int, document: Any) -> bool:
    """Whether a document is nested deeper; breadth first, so that no depth is too much for it."""
    level = [document]
    for _ in range(levels):
        level = [
            each
            for holder in level
            for each in (holder.values() if isinstance(holder, dict) else holder)
            if isinstance(each, dict | list)
        ]
        if not level:
            return False
    return True
