"""Streams of 50 chunks, and a long run with edits."""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from urllib.parse import urlsplit

import aiohttp

from .servers import ROOT, Server

_EDIT = """
import django; django.setup()
from gatewayproject.accounts.actors import Actor
from apikeys.models import ApiKey, KeyDraft
from apikeys.services import update_api_key
import sys, time
by = Actor("benchmark", channel="command")
number = 0
while True:
    key = ApiKey.objects.with_details().get(name="bench")
    number += 1
    secret = f"sk-made-up-for-the-benchmark-{number:04d}"
    draft = KeyDraft.of(key, secrets={"api_key": secret}).check()
    update_api_key(draft, by=by, rev=key.rev)
    print(number, flush=True)
    time.sleep(1)
"""

MODEL = "stream-50-4"  # 50 chunks, 4 ms apart, so that each is sent on by itself


def _request(name: str, server: Server, endpoint: str, model: str) -> tuple[str, bytes, str]:
    path = "/gateway/v1/chat/completions" if name == "gateway" else "/v1/chat/completions"
    body = {
        "model": endpoint if name == "gateway" else model,
        "stream": True,
        "messages": [{"role": "user", "content": "Count to fifty."}],
    }
    return f"{server.url}{path}", json.dumps(body).encode(), server.token


async def _stream(url: str, body: bytes, token: str) -> tuple[float, bool]:
    """Read one stream; return seconds to the first byte, and whether it came to its end."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    started = time.perf_counter()
    writer.write(
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nAccept: text/event-stream\r\n"
        f"User-Agent: OpenAI/Python 3.54.0\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    first = await reader.read(1)
    seconds, read = time.perf_counter() - started, first
    while chunk := await reader.read(65536):
        read = (read + chunk)[-200:]
    writer.close()
    return seconds, b"[DONE]" in read


async def streams(servers: dict[str, Server], *, rounds: int) -> None:
    """Print CPU, time to first byte and memory of streams through each server."""
    cpu: dict[str, list[float]] = {name: [] for name in servers}
    first: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(rounds):
        for name, server in servers.items():
            request = _request(name, server, "stream", MODEL)
            for _ in range(50):
                seconds, _ = await _stream(*request)
                first[name].append(seconds * 1000)
            before = server.cpu_seconds()
            for _ in range(20):
                await asyncio.gather(*(_stream(*request) for _ in range(16)))
            cpu[name].append((server.cpu_seconds() - before) / 320 * 1000)
    print()
    for name in servers:
        print(
            f"  {name:9} CPU {min(cpu[name]):5.2f} ms a stream   "
            f"first byte p50 {statistics.median(first[name]):5.2f} ms"
        )
    added = statistics.median(first["gateway"]) - statistics.median(first["bare"])
    print(
        f"  gateway / bare relay: CPU {min(cpu['gateway']) / min(cpu['bare']):.2f} times, "
        f"first byte {added:+.2f} ms"
    )
    gateway = servers["gateway"]
    request = _request("gateway", gateway, "paced", "stream-50-100")
    sizes = []
    for number in range(4):
        found = await asyncio.gather(*(_stream(*request) for _ in range(200)))
        whole = sum(is_whole for _, is_whole in found)
        sizes.append(gateway.resident_mb())
        print(f"  200 at once, time {number + 1}: {whole} whole, gateway {sizes[-1]:.1f} MB")


async def soak(gateway: Server, *, seconds: int) -> None:
    """Send 50 requests a second while a key is edited each second; print failures and memory."""
    editor = subprocess.Popen(
        [sys.executable, "-c", _EDIT], cwd=ROOT, env=gateway.environment, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    url = f"{gateway.url}/gateway/v1/chat/completions"
    body = {"model": "small", "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"authorization": f"Bearer {gateway.token}"}
    statuses: dict[int, int] = {}
    memory: list[tuple[float, float]] = []
    async with aiohttp.ClientSession(headers=headers) as session:

        async def one() -> None:
            async with session.post(url, json=body) as answer:
                await answer.read()
                statuses[answer.status] = statuses.get(answer.status, 0) + 1

        began = time.perf_counter()
        tasks = set()
        for number in range(seconds * 50):
            await asyncio.sleep(max(0, began + number / 50 - time.perf_counter()))
            tasks.add(task := asyncio.create_task(one()))
            task.add_done_callback(tasks.discard)
            if number % 500 == 0 and number >= 1500:
                memory.append(((time.perf_counter() - began) / 60, gateway.resident_mb()))
        await asyncio.gather(*tasks)
    editor.terminate()
    edits = len((editor.stdout.read() if editor.stdout else "").split())
    slope = statistics.linear_regression(*zip(*memory, strict=True)).slope if memory[1:] else 0
    print(
        f"\n  {seconds} s, {edits} edits, answers by status {statuses}, "
        f"memory {memory[-1][1]:.1f} MB, slope {slope:+.2f} MB a minute"
    )
