"""People who edit, rotate and delete API keys all the time, and write down what must be there."""

import json
import random
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from apikeys.blast_radius import blast_radius_of
from apikeys.models import ApiKey, AuthScheme, KeyDraft
from apikeys.sealing import Secrets
from apikeys.services import (
    create_api_key,
    delete_api_key,
    destroy_previous,
    discard_pending,
    promote_credentials,
    roll_back_credentials,
)
from gatewayproject.accounts.actors import Actor
from tests import drafts

REST = 0.01  # seconds between two acts, at most
SLOTS = ("current", "pending", "previous")
State = dict[str, str | None]  # the secret in each slot


class Person:
    """Has keys of their own, so that their journal is the whole truth about them."""

    def __init__(self, name: str, keys: int, journal: Path) -> None:
        self.by = Actor(name, channel="page")
        self.chance = random.Random(name)
        self.journal = journal.open("a")
        self.scheme = AuthScheme.objects.get(provider__slug="openai", slug="api_key")
        self.states: dict[UUID, State] = {}
        self.made = self.acts = 0
        self.longest = 0.0
        self.failures: list[str] = []
        for _ in range(keys):
            self.create()

    def work(self, orders: Connection) -> None:
        """Act until stopped; take new master keys as a restarted server would."""
        while True:
            if orders.poll():
                keys = orders.recv()
                if keys is None:
                    orders.send((self.acts, self.longest, self.failures))
                    return
                settings.FERNET_KEYS = keys
                orders.send("done")
            self.act()
            time.sleep(self.chance.uniform(0, REST))

    def act(self) -> None:
        acts = [self.edit, self.stage, self.promote, self.roll_back, self.discard, self.forget]
        chosen = self.chance.choice([*acts, *acts, self.rename, self.delete, self.create])
        began = time.perf_counter()
        try:
            if chosen == self.create:
                self.create()
            else:
                self.on_one_of_mine(chosen)
        except Exception:  # noqa: BLE001 - a user would have seen it, whatever it is
            self.failures.append(traceback.format_exc())
        self.longest = max(self.longest, time.perf_counter() - began)
        self.acts += 1

    def on_one_of_mine(self, act: Callable[[ApiKey, State], None]) -> None:
        pk = self.chance.choice(list(self.states))
        state = dict(self.states[pk])
        act(ApiKey.objects.select_related("scheme__provider").get(pk=pk), state)
        if pk in self.states:
            self.note(pk, state)

    def note(self, pk: UUID, state: State | None) -> None:
        """Write down what holds from now on: the act has been committed."""
        if state is None:
            del self.states[pk]
        else:
            self.states[pk] = state
        self.journal.write(json.dumps({"key": str(pk), "state": state}) + "\n")
        self.journal.flush()

    def secret(self) -> str:
        self.made += 1
        return f"sk-{self.by.name}-{self.made}-{self.chance.getrandbits(96):024x}"

    # --- Acts: each does it, and changes ``state`` alike ------------------------------------------

    def create(self) -> None:
        secret = self.secret()
        draft = KeyDraft(self.scheme, {"name": secret[:20]}, {}, Secrets(api_key=secret)).check()
        key = create_api_key(draft, by=self.by).api_key
        self.note(key.pk, {"current": secret, "pending": None, "previous": None})

    def edit(self, key: ApiKey, state: State) -> None:
        secret = self.secret()
        drafts.save(key, Secrets(api_key=secret), by=self.by)
        state["previous"], state["current"] = state["current"], secret

    def rename(self, key: ApiKey, state: State) -> None:
        key.name = self.secret()[:20]
        drafts.save(key, by=self.by)

    def stage(self, key: ApiKey, state: State) -> None:
        secret = self.secret()
        drafts.stage(key, Secrets(api_key=secret), by=self.by)
        state["pending"] = secret

    def promote(self, key: ApiKey, state: State) -> None:
        if state["pending"]:
            promote_credentials(key, by=self.by, rev=key.rev, confirmation=key.name)
            state["previous"], state["current"] = state["current"], state["pending"]
            state["pending"] = None

    def roll_back(self, key: ApiKey, state: State) -> None:
        if state["previous"]:
            roll_back_credentials(key, by=self.by, rev=key.rev)
            state["previous"], state["current"] = state["current"], state["previous"]

    def discard(self, key: ApiKey, state: State) -> None:
        if state["pending"]:
            discard_pending(key, by=self.by, rev=key.rev)
            state["pending"] = None

    def forget(self, key: ApiKey, state: State) -> None:
        if state["previous"]:
            destroy_previous(key, by=self.by, rev=key.rev)
            state["previous"] = None

    def delete(self, key: ApiKey, state: State) -> None:
        pk = key.pk
        if len(self.states) > 1:
            delete_api_key(key, by=self.by, seen=blast_radius_of(key).digest())
            self.note(pk, None)


def expected(journals: list[Path]) -> dict[UUID, State]:
    """Read the journals: what must be there."""
    states: dict[UUID, Any] = {}
    for journal in journals:
        for line in journal.read_text().splitlines():
            entry = json.loads(line)
            states[UUID(entry["key"])] = entry["state"]
    return {pk: state for pk, state in states.items() if state is not None}
