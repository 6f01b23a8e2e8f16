"""What xml-to-json and json-to-xml do with a message: whether, and what becomes of its headers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from proxy.errors import GatewayError
from proxy.messages import Body, Request, Response
from proxy.pipeline.content import compressed, media_type
from proxy.pipeline.convert_xml import ConversionError

SMALL = 32 * 1024  # bytes; a larger body is converted beside the event loop


async def convert_body(
    message: Request | Response,
    applies: Callable[[str], bool] | None,
    convert: Callable[[bytes], bytes],
    media: str,
    offload: Callable[[Callable[[bytes], bytes], bytes], Awaitable[bytes]],
) -> None:
    """Replace the body; `applies` tells by the media type, None means always. No body and a compressed one stay.

    `offload` runs a conversion in a thread.
    """
    if message.body.empty or compressed(message.headers):
        return
    if applies is not None and not applies(media_type(message.headers)):
        return
    content = await message.body.read()
    if not content.strip():
        return
    try:
        converted = convert(content) if len(content) <= SMALL else await offload(convert, content)
    except ConversionError as problem:
        raise GatewayError(str(problem), reason="BodyConversionFailure") from problem
    message.headers.popall("Content-Length", None)
    message.headers["Content-Type"] = media
    message.body = Body(converted)
