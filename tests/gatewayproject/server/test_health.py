"""``/readyz`` while the database hangs: an answer in time, and one thread however many ask."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from gatewayproject.server import health
from gatewayproject.server.health import Readiness
from tests.endpoints.gateway.client import eventually
from tests.endpoints.gateway.event_loops import run
from tests.installation import Installation

MANY = 200
FEW_SECONDS = 20


async def ask(app: Any, method: str = "GET") -> tuple[int, bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app({"type": "http", "method": method, "path": "/readyz"}, None, send)
    return sent[0]["status"], sent[1]["body"]


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A database that responds when the test lets it; ``calls`` counts the queries."""

    class Hanging:
        calls = 0
        answers = threading.Event()

        def reason(self) -> str:
            self.calls += 1
            assert self.answers.wait(FEW_SECONDS)
            return ""

    hanging = Hanging()
    monkeypatch.setattr(health, "reason_not_ready", hanging.reason)
    yield hanging
    hanging.answers.set()


def test_many_probes_query_the_database_once(hanging: Any) -> None:
    async def probe() -> list[tuple[int, bytes]]:
        readiness = Readiness()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask(readiness)) for _ in range(MANY)]
            while not hanging.calls:
                await asyncio.sleep(0)
            hanging.answers.set()
        return [task.result() for task in tasks]

    assert run(probe()) == [(200, b"ready\n")] * MANY
    assert hanging.calls == 1


def test_probes_time_out_and_occupy_one_thread(
    hanging: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "READY_SECONDS", 0.05)

    async def probe() -> list[tuple[int, bytes]]:
        readiness = Readiness()
        given_up = [*await asyncio.gather(*(ask(readiness) for _ in range(MANY)))]
        given_up.append(await ask(readiness))  # the first call is still waiting
        assert hanging.calls == 1
        hanging.answers.set()
        monkeypatch.setattr(health, "READY_SECONDS", FEW_SECONDS)
        return [*given_up, await ask(readiness)]

    *given_up, last = run(probe())

    assert given_up == [(503, b"the database does not respond in time\n")] * (MANY + 1)
    assert last == (200, b"ready\n")


def test_a_canceled_probe_does_not_cancel_others(hanging: Any) -> None:
    async def probe() -> tuple[int, bytes]:
        readiness = Readiness()
        first, second = (asyncio.create_task(ask(readiness)) for _ in range(2))
        while not hanging.calls:
            await asyncio.sleep(0)
        first.cancel()
        hanging.answers.set()
        return await second

    assert run(probe()) == (200, b"ready\n")


def test_a_probe_must_be_a_get(hanging: Any) -> None:
    hanging.answers.set()

    assert run(ask(Readiness(), "POST")) == (405, b"405: use GET.\n")


def test_a_flood_of_probes_does_not_delay_static_files(prepared: Installation) -> None:
    """With the database locked on PostgreSQL, where a probe has to wait for it."""
    url = prepared.settings.get("DATABASE_URL", "")
    with prepared.served() as server, ThreadPoolExecutor(20) as threads:
        assert server.ask("GET", "/readyz", headers={"Host": "10.0.0.7"}).status == 200
        if url:
            other = psycopg.connect(url)
            other.execute("LOCK TABLE apikeys_credentialversion IN ACCESS EXCLUSIVE MODE")
        health = [threads.submit(server.ask, "GET", "/readyz") for _ in range(20)]

        assert server.ask("GET", "/static/css/base.css").status in (200, 404)
        assert {probe.result().status for probe in health} == {503 if url else 200}

        if url:
            other.close()
            eventually(lambda: server.ask("GET", "/readyz").status == 200, seconds=FEW_SECONDS)
