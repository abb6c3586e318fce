"""Load for a server on loopback: ``wrk`` where it is installed, otherwise a loader of our own."""

import asyncio
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Load:
    """What to send."""

    url: str
    token: str
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """What an SDK always sends."""
        return {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": "OpenAI/Python 3.54.0",
        }

    @property
    def message(self) -> bytes:
        parts = urlsplit(self.url)
        head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Content-Length: {len(self.body)}\r\n"
            + "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
            + "\r\n"
        )
        return head.encode() + self.body


@dataclass(frozen=True)
class Result:
    """Requests per second; latencies in milliseconds; answers that were not 2xx, or none."""

    rate: float
    p50: float
    p99: float
    count: int
    failed: int


def drive(load: Load, *, connections: int, seconds: float) -> Result:
    """Send as much as ``connections`` can for ``seconds``."""
    if shutil.which("wrk"):
        return _wrk(load, connections, seconds)
    return asyncio.run(_own(load, connections, seconds))


def _wrk(load: Load, connections: int, seconds: float) -> Result:
    body = load.body.decode().replace("\\", "\\\\").replace("'", "\\'")
    script = f"wrk.method = 'POST'\nwrk.body = '{body}'\n" + "".join(
        f"wrk.headers['{name}'] = '{value}'\n" for name, value in load.headers.items()
    )
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{round(seconds)}s",
            "--latency",
            "-s",
            file.name,
        ]
        text = subprocess.run(
            [*command, load.url], capture_output=True, text=True, check=True
        ).stdout
    failed = sum(int(n) for n in re.findall(r"Non-2xx or 3xx responses: (\d+)", text))
    failed += sum(
        int(n)
        for line in re.findall(r"Socket errors: (.*)", text)
        for n in re.findall(r"\d+", line)
    )
    count = int(re.search(r"(\d+) requests in", text)[1])  # type: ignore[index]
    rate = float(re.search(r"Requests/sec:\s*([\d.]+)", text)[1])  # type: ignore[index]
    return Result(rate, _latency(text, "50"), _latency(text, "99"), count, failed)


def _latency(text: str, percent: str) -> float:
    found = re.search(rf"\n\s+{percent}%\s+([\d.]+)(us|ms|s)", text)
    return float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000}[found[2]]  # type: ignore[index]


async def _own(load: Load, connections: int, seconds: float) -> Result:
    latencies: list[float] = []
    failed = 0
    until = time.perf_counter() + seconds

    async def one() -> None:
        nonlocal failed
        parts = urlsplit(load.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        while (started := time.perf_counter()) < until:
            writer.write(load.message)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            await reader.readexactly(int(length[1]))  # type: ignore[index]
            failed += not head.startswith(b"HTTP/1.1 2")
            latencies.append((time.perf_counter() - started) * 1000)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    taken = time.perf_counter() - began
    cuts = statistics.quantiles(latencies, n=100)
    return Result(len(latencies) / taken, cuts[49], cuts[98], len(latencies), failed)
