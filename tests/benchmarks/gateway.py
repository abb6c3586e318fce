"""How much the gateway adds, beside the bare relay that does nothing, in one run.

    python -m tests.benchmarks.gateway [--seconds 4] [--rounds 3] [--only throughput streams …]

It starts a simulated provider, a bare relay (ASGI and the same client) and the gateway, with token
check, freshness, opening, signing and usage on, and drives them in turn. DATABASE_URL may name a
PostgreSQL server; otherwise the gateway uses SQLite.
"""

import argparse
import asyncio
import json
from collections.abc import Callable

from .load import Load, Result, drive
from .servers import Server, all_three
from .streams import soak, streams

PATHS = {"provider": "/v1", "bare": "/v1", "gateway": "/gateway/v1"}
MODELS = {"provider": "gpt-5-mini", "bare": "gpt-5-mini", "gateway": "small"}
QUESTION = "What does a gatehouse keep? " * 40


def load_for(name: str, server: Server) -> Load:
    """A chat of about 1.2 kB, as ``name`` is asked."""
    body = {"model": MODELS[name], "messages": [{"role": "user", "content": QUESTION}]}
    url = f"{server.url}{PATHS[name]}/chat/completions"
    return Load(url, server.token, json.dumps(body).encode())


def throughput(options: argparse.Namespace) -> None:
    """Small JSON answers, at 1, 16 and 64 connections."""
    with all_three() as servers:
        for connections in (1, 16, 64):
            print(f"\n{connections} connections")
            best: dict[str, tuple[Result, float]] = {}
            for _ in range(options.rounds):
                for name, server in servers.items():
                    before = server.cpu_seconds()
                    result = drive(
                        load_for(name, server), connections=connections, seconds=options.seconds
                    )
                    cpu = (server.cpu_seconds() - before) / max(result.count, 1) * 1e6
                    if name not in best or result.rate > best[name][0].rate:
                        best[name] = result, cpu
            for name, (result, cpu) in best.items():
                print(
                    f"  {name:9} {result.rate:8,.0f} requests/s   p50 {result.p50:6.2f} ms   "
                    f"p99 {result.p99:6.2f} ms   CPU {cpu:5.0f} µs   {result.failed} failed"
                )
            bare, ours = best["bare"][0], best["gateway"][0]
            print(
                f"  gateway / bare relay: {ours.rate / bare.rate:.2f} of its rate, "
                f"p50 {ours.p50 - bare.p50:+.2f} ms to it and "
                f"{ours.p50 - best['provider'][0].p50:+.2f} ms to the provider, "
                f"p99 / p50 = {ours.p99 / ours.p50:.1f}"
            )


def workers(options: argparse.Namespace) -> None:
    """Two worker processes beside one. Where the loader shares their cores the rate says little;
    a request that costs no more CPU than before says that they are not in each other's way."""
    rates, costs = {}, {}
    for count in (1, 2):
        with all_three(workers=count) as servers:
            server = servers["gateway"]
            load = load_for("gateway", server)
            drive(load, connections=16, seconds=1)
            before = server.cpu_seconds()
            results = [
                drive(load, connections=64, seconds=options.seconds) for _ in range(options.rounds)
            ]
            cpu = server.cpu_seconds() - before
            rates[count] = max(result.rate for result in results)
            costs[count] = cpu / sum(result.count for result in results) * 1e6
    print(f"\n1 worker {rates[1]:,.0f}, 2 workers {rates[2]:,.0f}: {rates[2] / rates[1]:.2f} times")
    print(f"CPU a request: {costs[1]:.0f} µs and {costs[2]:.0f} µs")


def stream_answers(options: argparse.Namespace) -> None:
    """Streams of 50 chunks: CPU each, time to the first byte, and 200 at once."""
    with all_three() as servers:
        asyncio.run(streams(servers, rounds=options.rounds))


def long_run(options: argparse.Namespace) -> None:
    """50 requests a second with edits going on: failures and memory."""
    with all_three() as servers:
        asyncio.run(soak(servers["gateway"], seconds=options.soak))


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "throughput": throughput,
    "streams": stream_answers,
    "workers": workers,
    "soak": long_run,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--soak", type=int, default=600, help="seconds of the long run")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS)[:3])
    options = parser.parse_args()
    for name in options.only:
        print(f"\n== {name}: {PARTS[name].__doc__}")
        PARTS[name](options)


if __name__ == "__main__":
    main()
