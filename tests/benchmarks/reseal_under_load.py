"""What people notice of a rotation: pages and edits over HTTP while 10,000 rows are re-sealed.

    python -m tests.benchmarks.reseal_under_load [--rows 10000] [--rounds 5] [--people 2]

Each round brings in another master key: the server starts on ``[new, old]``, people look at the
list and edit keys, first in peace and then during the rotation. "failed" counts every answer that
is not the page or the redirect that was due. Production settings; SQLite, or what ``DATABASE_URL``
names.
"""

import argparse
import http.client
import random
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import quantiles
from typing import Any
from urllib.parse import urlencode

from gatewayproject.keyring import generate_master_key
from tests.installation import Installation

from .reseal import fill_up_to, installation

PAUSE = 0.1  # seconds between two requests of a person, on average: a quick one, in no lockstep
PEACE = 6  # seconds before a rotation
CSRF = "a" * 32
processes = get_context("fork")
Answer = tuple[float, float, bool]  # when it was asked, seconds, whether it was right


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--people", type=int, default=2, help="Editors, and as many readers.")
    options = parser.parse_args()
    with installation() as settings:
        from django.db import connection

        fill_up_to(options.rows)
        answers: dict[tuple[str, str], list[Answer]] = {}
        took = [one_round(settings, options.people, answers) for _ in range(options.rounds)]
        print(
            f"{connection.vendor}: {options.rows:,} rows in {', '.join(f'{t:.1f}' for t in took)} s"
        )
        print(f"{'':<24}{'requests':>9}{'failed':>8}{'p50 ms':>8}{'p99 ms':>8}{'worst':>8}")
        for (what, when), each in sorted(answers.items()):
            print(f"{what + ', ' + when:<24}{_figures(each)}")


def one_round(
    settings: dict[str, str], people: int, answers: dict[tuple[str, str], list[Answer]]
) -> float:
    """Serve, let people in, rotate; return how many seconds the rotation took."""
    from django.conf import settings as live
    from django.db import connections

    from apikeys.services.master_key_rotation import rotate_master_key
    from gatewayproject.accounts.actors import Actor

    live.FERNET_KEYS = [generate_master_key(), live.FERNET_KEYS[0]]
    house = Installation(Path(settings["GATEWAY_DATA_DIR"]), settings)
    with house.served(FERNET_KEYS=",".join(live.FERNET_KEYS), DRAIN_SECONDS="0") as server:
        session, keys = sign_in(), some_keys(people)
        connections.close_all()
        crowd = [Somebody("edits", server.port, session, mine) for mine in keys]
        crowd += [Somebody("pages", server.port, session, []) for _ in keys]
        time.sleep(PEACE)
        began = time.time()
        report = rotate_master_key(by=Actor("bench", channel="command"))
        ended = time.time()
        for person in crowd:
            for answer in person.stop():
                when = (
                    "rotating" if began <= answer[0] + answer[1] and answer[0] <= ended else "peace"
                )
                answers.setdefault((person.what, when), []).append(answer)
        assert report.is_complete
    live.FERNET_KEYS = live.FERNET_KEYS[:1]
    return ended - began


def sign_in() -> str:
    """Return the cookies of a user with all permissions."""
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.test import Client

    user, _ = User.objects.get_or_create(username="bench", is_superuser=True)
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    return f"{name}={client.cookies[name].value}; {settings.CSRF_COOKIE_NAME}={CSRF}"


def some_keys(people: int) -> list[list[tuple[str, dict[str, Any]]]]:
    """Return for each editor some keys, by their URL and what their form posts."""
    from apikeys.models import ApiKey

    forms = [
        (
            f"/api-keys/{key.pk}/edit/",
            {"name": key.name, "environment": key.environment, **key.config, "rev": key.rev},
        )
        for key in ApiKey.objects.order_by("pk")[: people * 100]
    ]
    return [forms[number::people] for number in range(people)]


class Somebody:
    """A browser, in a process of its own."""

    def __init__(self, what: str, port: int, session: str, forms: list[Any]) -> None:
        self.what = what
        self.orders, theirs = processes.Pipe()
        self.process = processes.Process(
            target=edit if forms else look, args=(port, session, forms, theirs), daemon=True
        )
        self.process.start()

    def stop(self) -> list[Answer]:
        self.orders.send(None)
        answers = self.orders.recv()
        self.process.join()
        return answers


def look(port: int, session: str, forms: list[Any], orders: Connection) -> None:
    answers = []
    while not orders.poll(pause()):
        answers.append(ask(port, session, "GET", "/api-keys/", None, 200))
    orders.send(answers)


def edit(port: int, session: str, forms: list[Any], orders: Connection) -> None:
    """Enter new credentials for one key after the other."""
    answers: list[Answer] = []
    while not orders.poll(pause()):
        number = len(answers)
        url, form = forms[number % len(forms)]
        typed = {"api_key": f"sk-new-{number}-{time.time_ns()}", "csrfmiddlewaretoken": CSRF}
        answers.append(ask(port, session, "POST", url, {**form, **typed}, 302))
        form["rev"] += 1
    orders.send(answers)


def pause() -> float:
    return random.uniform(0, 2 * PAUSE)


def ask(
    port: int, session: str, method: str, url: str, form: dict[str, Any] | None, due: int
) -> Answer:
    headers = {"Cookie": session, "Content-Type": "application/x-www-form-urlencoded"}
    began = time.time()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, url, urlencode(form) if form else None, headers)
        response = connection.getresponse()
        response.read()
        is_right = response.status == due
    except OSError:
        is_right = False
    finally:
        connection.close()
    return began, time.time() - began, is_right


def _figures(answers: list[Answer]) -> str:
    times = [seconds * 1000 for _, seconds, _ in answers]
    cuts = quantiles(times, n=100) if len(times) > 1 else times * 99
    failed = sum(not is_right for _, _, is_right in answers)
    return f"{len(times):>9,}{failed:>8}{cuts[49]:>8.0f}{cuts[98]:>8.0f}{max(times):>8.0f}"


if __name__ == "__main__":
    main()
