"""How much slower the gateway is while others try passwords, in one run.

    python -m tests.benchmarks.login_flood [--seconds 4] [--rounds 3] [--connections 24]

Quiet and flooded turns alternate. Each prints the gateway's latencies, the statuses of sign-ins,
and how much memory the server has. The ratio of the p99 should be below 3.
"""

import argparse
import asyncio
import multiprocessing
import os
import re
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode, urlsplit

from .gateway import load_for
from .load import Result, drive
from .servers import Server, all_three


class Flood:
    """Sign-ins under ever new names, over many connections at once, in a process of its own."""

    def __init__(self, server: Server, connections: int) -> None:
        self.url, self.connections = server.url, connections
        self.statuses: Counter[str] = Counter()
        self._is_over = multiprocessing.Event()
        self._result: multiprocessing.SimpleQueue[Counter[str]] = multiprocessing.SimpleQueue()

    @contextmanager
    def running(self) -> Iterator[None]:
        process = multiprocessing.Process(target=lambda: asyncio.run(self._run()))
        process.start()
        try:
            yield
        finally:
            self._is_over.set()
            self.statuses = self._result.get()
            process.join()

    async def _run(self) -> None:
        await asyncio.gather(*(self._one(number) for number in range(self.connections)))
        self._result.put(self.statuses)

    async def _one(self, number: int) -> None:
        _, page = await self._ask("GET", "")
        cookie = re.search(r"gatehouse_csrf=(\w+)", page)[0]  # type: ignore[index]
        token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page)[1]  # type: ignore[index]
        tries = 0
        while not self._is_over.is_set():
            tries += 1
            form = {
                "username": f"stranger-{os.getpid()}-{number}-{tries}",
                "password": "guess",
                "csrfmiddlewaretoken": token,
            }
            status, _ = await self._ask("POST", urlencode(form), f"Cookie: {cookie}\r\n")
            self.statuses[status] += 1

    async def _ask(self, method: str, body: str, headers: str = "") -> tuple[str, str]:
        where = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        writer.write(
            f"{method} /login/ HTTP/1.1\r\nHost: {where.netloc}\r\nConnection: close\r\n{headers}"
            f"Content-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
            f"{body}".encode()
        )
        answer = (await reader.read()).decode()
        writer.close()
        return answer.split(" ", 2)[1], answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=24, help="of the flood")
    options = parser.parse_args()
    quiet: list[Result] = []
    flooded: list[Result] = []
    with all_three() as servers:
        server = servers["gateway"]
        load = load_for("gateway", server)
        drive(load, connections=4, seconds=1)
        for _ in range(options.rounds):
            quiet.append(drive(load, connections=4, seconds=options.seconds))
            flood = Flood(server, options.connections)
            with flood.running():
                time.sleep(1)  # so that the flood is at its height
                flooded.append(drive(load, connections=4, seconds=options.seconds))
            for name, result in (("quiet", quiet[-1]), ("flooded", flooded[-1])):
                print(
                    f"{name:8} {result.rate:6,.0f} requests/s   p50 {result.p50:6.2f} ms   "
                    f"p99 {result.p99:6.2f} ms   {result.failed} failed"
                )
            print(f"         sign-ins {dict(flood.statuses)}   {server.resident_mb():.0f} MB")
    before, during = (statistics.median(r.p99 for r in results) for results in (quiet, flooded))
    print(f"p99 flooded / quiet = {during / before:.1f}")


if __name__ == "__main__":
    main()
