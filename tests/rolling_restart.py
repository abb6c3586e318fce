"""Two hosts behind nginx or HAProxy, restarted one after the other under load.

``python -m tests.rolling_restart`` prints a table. The configurations are those of
docs/operations.md, with the ports of this run.
"""

import asyncio
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from gatewayproject.demo.provider import Provider
from tests.endpoints.gateway.event_loops import run
from tests.installation import Installation, Server, free_port, own_database, production_settings

OPERATIONS = Path(__file__).resolve().parent.parent / "docs/operations.md"
HOSTS = ("10.0.0.11:8000", "10.0.0.12:8000")  # as docs/operations.md calls them
RATE = 40  # requests a second
STREAM_EVERY = 10  # requests; a stream takes 5 seconds
SETUP = """
import django; django.setup()
from gatewayproject.accounts.actors import Actor
from apikeys.models import AuthScheme, KeyDraft
from apikeys.sealing import Secrets
from apikeys.services import create_api_key
from endpoints.models import Endpoint, GatewayToken, Route
from endpoints.services import create_endpoint, create_token
by = Actor("test", channel="command")
scheme = AuthScheme.objects.get(provider__slug="openai", slug="api_key")
draft = KeyDraft(scheme, {"name": "rolling"}, {"api_base": "%s/v1"},
                 Secrets(api_key="sk-made-up-for-the-rolling-restart-0000"))
key = create_api_key(draft.check(), by=by).api_key
for name, model in (("small", "gpt-5-mini"), ("stream", "stream-50-100")):
    create_endpoint(Endpoint(name=name), [Route(api_key=key, model=model)], by=by)
print(create_token(GatewayToken(name="rolling", all_endpoints=True), [], by=by))
"""


@dataclass
class Seen:
    """What clients saw."""

    requests: Counter[str] = field(default_factory=Counter)
    streams: Counter[str] = field(default_factory=Counter)


def configuration_of(kind: str) -> str:
    """Return the block of docs/operations.md that begins with a comment with ``kind``."""
    text = OPERATIONS.read_text()
    found = re.search(rf"^    # {kind}\b.*\n(?:    .*\n)+", text, re.MULTILINE)
    assert found, f"docs/operations.md has no configuration for {kind}"
    return re.sub(r"^    ", "", found[0], flags=re.MULTILINE)


@contextmanager
def balancer(kind: str, ports: tuple[int, int], directory: Path) -> Iterator[str]:
    """Run nginx or HAProxy before two hosts and yield its URL."""
    front, text = free_port(), configuration_of(kind)
    for name, port in zip(HOSTS, ports, strict=True):
        assert name in text
        text = text.replace(name, f"127.0.0.1:{port}")
    path = directory / f"{kind}.conf"
    if kind == "nginx":
        text, count = re.subn(r"listen 443 ssl;", f"listen 127.0.0.1:{front};", text)
        text = re.sub(r"^ *ssl_certificate.*\n", "", text, flags=re.MULTILINE)
        temporary = "".join(
            f"{name}_temp_path {directory}/{name};\n"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        text = (
            f"user root; daemon off; pid {directory}/nginx.pid; error_log {directory}/nginx.log;\n"
            f"worker_processes 2;\nevents {{}}\nhttp {{ access_log off;\n{temporary}{text}\n}}\n"
        )
        command = ["nginx", "-p", str(directory), "-c", str(path), "-e", f"{directory}/early.log"]
    else:
        text, count = re.subn(r"bind :443 ssl crt \S+", f"bind 127.0.0.1:{front}", text)
        command = ["haproxy", "-db", "-f", str(path)]
    assert count == 1
    path.write_text(text)
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        Server(front, process).wait_until_ready()  # type: ignore[arg-type]
        yield f"http://127.0.0.1:{front}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


async def _ask(session: aiohttp.ClientSession, url: str, token: str, name: str) -> str:
    """Return what was wrong with a response, if anything."""
    body = {"model": name, "messages": [{"role": "user", "content": "Hi"}]}
    if name == "stream":
        body["stream"] = True  # type: ignore[assignment]
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with session.post(
            f"{url}/gateway/v1/chat/completions", json=body, headers=headers
        ) as response:
            text = await response.text()
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        return type(error).__name__
    if response.status != 200:
        return str(response.status)
    is_whole = "[DONE]" in text if name == "stream" else '"choices"' in text
    return "whole" if is_whole else "cut off"


async def _load(url: str, token: str, stop: asyncio.Event, seen: Seen) -> None:
    timeout = aiohttp.ClientTimeout(total=120)
    connector = aiohttp.TCPConnector(limit=0)
    number = 0
    async with (
        aiohttp.ClientSession(timeout=timeout, connector=connector) as session,
        asyncio.TaskGroup() as group,
    ):

        async def one(name: str, counts: Counter[str]) -> None:
            counts[await _ask(session, url, token, name)] += 1

        while not stop.is_set():
            is_stream = number % STREAM_EVERY == 0
            group.create_task(
                one("stream", seen.streams) if is_stream else one("small", seen.requests)
            )
            number += 1
            await asyncio.sleep(1 / RATE)


async def _restart(
    hosts: list[subprocess.Popen[str]], start: list[object], url: str, token: str
) -> Seen:
    seen, stop = Seen(), asyncio.Event()
    load = asyncio.create_task(_load(url, token, stop, seen))
    await asyncio.sleep(2)
    for index in range(len(hosts)):
        hosts[index].send_signal(signal.SIGTERM)
        await asyncio.to_thread(hosts[index].wait)
        hosts[index] = await asyncio.to_thread(start[index])  # type: ignore[arg-type]
        await asyncio.sleep(3)  # until the balancer has seen it
    stop.set()
    await load
    return seen


def rolling_restart(kind: str, workers: int, *, rounds: int = 1) -> Seen:
    """Restart two hosts with ``workers`` each behind ``kind``, and return what clients saw."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        provider = stack.enter_context(Provider().running())
        settings = {
            **production_settings(),
            **stack.enter_context(own_database()),
            "STATIC_ROOT": str(directory / "static"),
            "ALLOWED_PRIVATE_ORIGINS": provider.url,
            "ALLOWED_HOSTS": "*",
            "DRAIN_SECONDS": "3",
            "LOG_LEVEL": "ERROR",
        }
        installation = Installation(directory / "data", settings)
        prepared = installation.manage("prepare")
        assert prepared.returncode == 0, prepared.stderr
        with installation.start("-c", SETUP % provider.url) as process:
            token = process.communicate()[0].split()[-1]
        ports = (free_port(), free_port())
        running: list[subprocess.Popen[str]] = []

        def start(port: int) -> subprocess.Popen[str]:
            arguments = ["-m", "gatewayproject.server", "--port", str(port)]
            process = subprocess.Popen(
                [sys.executable, *arguments, "--workers", str(workers)],
                cwd=installation.checkout,
                env=installation.environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            Server(port, process).wait_until_ready()
            return process

        def stop() -> None:
            for process in running:
                process.terminate()
                process.wait(timeout=60)

        stack.callback(stop)
        running += [start(port) for port in ports]
        starts: list[object] = [lambda port=port: start(port) for port in ports]
        url = stack.enter_context(balancer(kind, ports, directory))
        seen = Seen()
        for _ in range(rounds):
            found = run(_restart(running, starts, url, token))
            seen.requests += found.requests
            seen.streams += found.streams
        return seen


def main() -> None:
    print("| balancer | workers | requests | streams |\n|---|---|---|---|")
    for kind in ("nginx", "haproxy"):
        for workers in (1, 4):
            seen = rolling_restart(kind, workers, rounds=int(sys.argv[1]) if sys.argv[1:] else 1)
            print(
                f"| {kind} | {workers} | {dict(seen.requests)} | {dict(seen.streams)} |", flush=True
            )


if __name__ == "__main__":
    main()
