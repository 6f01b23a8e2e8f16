"""`python -m benchmarks.collector PORT MODE`: an OTLP collector over HTTP that looks at nothing.

ok           200 at once
slow         200 after a second
unavailable  503 at once
hang         takes the connection and whatever comes, and never answers
"""

from __future__ import annotations

import asyncio
import sys

MODES = ("ok", "slow", "unavailable", "hang")
HEAD = b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n"


async def serve(port: int, mode: str) -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                at = head.index(b"content-length:") + 15
                await reader.readexactly(int(head[at : head.index(b"\r\n", at)]))
                if mode == "hang":
                    await asyncio.Event().wait()
                if mode == "slow":
                    await asyncio.sleep(1)
                writer.write(HEAD % (b"503 Service Unavailable" if mode == "unavailable" else b"200 OK"))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    server = await asyncio.start_server(client, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
