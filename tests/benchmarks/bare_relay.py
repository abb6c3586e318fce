"""The least that a relay can be: ASGI and the same client, and nothing that Gatehouse is for.

TARGET=http://127.0.0.1:8000 python -m uvicorn tests.benchmarks.bare_relay:application
"""

import os
from typing import Any

import aiohttp
from yarl import URL

TARGET = os.environ.get("TARGET", "")
_sessions: list[aiohttp.ClientSession] = []


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Send the request on with a fixed key, and the answer back as it comes."""
    if scope["type"] != "http":
        return
    if not _sessions:
        connector = aiohttp.TCPConnector(limit=0)
        _sessions.append(aiohttp.ClientSession(connector=connector, auto_decompress=False))
    message = await receive()
    body = message["body"]
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    headers = {"authorization": "Bearer bare", "content-type": "application/json"}
    url = URL(TARGET + scope["path"], encoded=True)
    async with _sessions[0].post(url, data=body, headers=headers) as answer:
        start = {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [(name.lower(), value) for name, value in answer.raw_headers],
        }
        if answer.headers.get("content-length"):
            whole = await answer.read()
            await send(start)
            await send({"type": "http.response.body", "body": whole})
            return
        await send(start)
        async for chunk in answer.content.iter_any():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
