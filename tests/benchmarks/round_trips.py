"""What the way to PostgreSQL costs the gateway: requests/s and latency at added round-trip times.

    python -m tests.benchmarks.round_trips [--seconds 3] [--lookups]

With ``--lookups``, only the look-up of token and endpoint, without HTTP and a provider.

As root, the gateway with its provider and its clients, and a PostgreSQL of its own, are in two
network namespaces, and the link between them delays and, in both directions, loses packets
(``slow_link``). Otherwise a proxy on loopback in front of DATABASE_URL delays, and nothing is lost.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from urllib.parse import urlsplit

import django
import uvloop
from psycopg.conninfo import conninfo_to_dict

from tests.postgres_cluster import is_installed, primary

from .gateway import load_for
from .load import Result, drive
from .servers import ROOT, _provider, gateway_before

APP, DATABASE = f"gh-app-{os.getpid()}", f"gh-db-{os.getpid()}"
ADDRESS = "10.203.0.2"
ROUND_TRIPS = (0, 1, 5, 20)  # milliseconds
CONNECTIONS = (1, 16, 64)
CASES = [*((each, 0) for each in ROUND_TRIPS), (0, 1)]  # with the loss in percent
SetNetwork = Callable[[float, float], None]  # round-trip time in ms, loss in percent


def measure(set_network: SetNetwork, seconds: float) -> None:
    """Print a table. DATABASE_URL is where the network is slow."""
    print("added round trip, loss | connections | requests/s | p50 ms | p99 ms | of 0 ms | failed")
    with _provider() as provider, gateway_before(provider) as server:
        load = load_for("gateway", server)
        drive(load, connections=16, seconds=2)
        baseline: dict[int, Result] = {}
        for milliseconds, loss in CASES:
            set_network(milliseconds, loss)
            for connections in CONNECTIONS:
                result = drive(load, connections=connections, seconds=seconds)
                of_it = result.rate / baseline.setdefault(connections, result).rate
                print(
                    f"{milliseconds:2} ms, {loss} % | {connections:2} | {result.rate:7,.0f} | "
                    f"{result.p50:6.2f} | {result.p99:7.2f} | {of_it:.2f} | {result.failed}",
                    flush=True,
                )
        set_network(0, 0)


def measure_lookups(set_network: SetNetwork, seconds: float) -> None:
    """Print the same of the look-ups alone, from an event loop in this process."""
    with _provider() as provider, gateway_before(provider) as server:
        os.environ.update(server.environment)
        django.setup()
        from endpoints.gateway.lookup.postgres import PostgresDirectory

        digest = sha256(server.token.encode()).hexdigest()
        parameters = conninfo_to_dict(server.environment["DATABASE_URL"])

        async def look_up(clients: int) -> list[float]:
            directory, latencies = PostgresDirectory(parameters), list[float]()

            async def repeat() -> None:
                start = time.perf_counter()
                until = start + seconds
                while start < until:
                    await directory.find(digest, "small")
                    end = time.perf_counter()
                    latencies.append((end - start) * 1000)
                    start = end

            await asyncio.gather(*(repeat() for _ in range(clients)))
            await directory.close()
            return latencies

        print("added round trip, loss | clients | look-ups/s | p50 ms | p99 ms")
        for milliseconds, loss in CASES:
            set_network(milliseconds, loss)
            for clients in CONNECTIONS:
                latencies = uvloop.run(look_up(clients))
                cuts = statistics.quantiles(latencies, n=100)
                print(
                    f"{milliseconds:2} ms, {loss} % | {clients:2} | "
                    f"{len(latencies) / seconds:7,.0f} | {cuts[49]:6.2f} | {cuts[98]:7.2f}",
                    flush=True,
                )
        set_network(0, 0)


def in_namespaces(arguments: Sequence[str]) -> None:
    """Run this again in a namespace, with a database in another."""
    ip("netns", "add", APP)
    ip("netns", "add", DATABASE)
    try:
        for name, address in ((APP, "10.203.0.1"), (DATABASE, ADDRESS)):
            ip("-n", name, "tuntap", "add", "tun", "mode", "tun")
            ip("-n", name, "addr", "add", f"{address}/24", "dev", "tun")
            for device in ("tun", "lo"):
                ip("-n", name, "link", "set", device, "up")
        with primary(ADDRESS, ("ip", "netns", "exec", DATABASE)) as cluster:
            subprocess.run(
                ["ip", "netns", "exec", APP, sys.executable, "-m", "tests.benchmarks.round_trips",
                 *arguments, "--namespaces", APP, DATABASE],
                cwd=ROOT, env={**os.environ, "DATABASE_URL": cluster.url()}, check=True,
            )  # fmt: skip
    finally:
        ip("netns", "del", APP)
        ip("netns", "del", DATABASE)


@contextmanager
def slow_link(names: Sequence[str]) -> Iterator[SetNetwork]:
    """Connect the namespaces, and yield how to set the delay and the loss."""
    command = [sys.executable, "-m", "tests.benchmarks.slow_link", *names]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, text=True) as process:

        def set_network(milliseconds: float, loss: float) -> None:
            assert process.stdin is not None
            process.stdin.write(f"{milliseconds / 2000} {loss / 100}\n")
            process.stdin.flush()

        yield set_network


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


@contextmanager
def delaying_proxy(url: str) -> Iterator[tuple[str, SetNetwork]]:
    """Yield a URL of the same database through a proxy, and how to set its delay."""
    parts, delay = urlsplit(url), 0.0
    loop = asyncio.new_event_loop()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                loop.call_later(delay, writer.write, data)
        loop.call_later(delay, writer.close)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = await asyncio.open_connection(parts.hostname, parts.port or 5432)
        await asyncio.gather(relay(reader, server[1]), relay(server[0], writer))

    def set_network(milliseconds: float, loss: float) -> None:
        nonlocal delay
        delay = milliseconds / 2000

    listening = loop.run_until_complete(asyncio.start_server(connect, "127.0.0.1", 0))
    port = listening.sockets[0].getsockname()[1]
    threading.Thread(target=loop.run_forever, daemon=True).start()
    account = parts.netloc.rpartition("@")[0]
    yield parts._replace(netloc=f"{account}@127.0.0.1:{port}").geturl(), set_network
    loop.call_soon_threadsafe(loop.stop)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--lookups", action="store_true")
    parser.add_argument("--namespaces", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    run = measure_lookups if options.lookups else measure
    if options.namespaces:
        with slow_link(options.namespaces) as set_network:
            run(set_network, options.seconds)
    elif os.geteuid() == 0 and is_installed():
        in_namespaces(sys.argv[1:])
    else:
        with delaying_proxy(os.environ["DATABASE_URL"]) as (url, set_network):
            os.environ["DATABASE_URL"] = url
            run(set_network, options.seconds)


if __name__ == "__main__":
    main()
