"""The Encryption page: for operators, and never a key."""

import re
from importlib import import_module
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apikeys.models import CredentialVersion, ServerProcess
from apikeys.sealing import Sealed, fingerprint_of
from apikeys.services.master_key_rotation import rotate_master_key
from gatewayproject.accounts.actors import Actor
from gatewayproject.keyring import generate_master_key
from tests.browsing import html_of, text_of
from tests.conftest import MakeKey

pytestmark = pytest.mark.django_db

URL = "/encryption/"
views = import_module("apikeys.views.encryption")  # the view itself hides its module


@pytest.fixture
def old(settings: Any, make_key: MakeKey) -> str:
    settings.FERNET_KEYS = [generate_master_key()]
    for name in ("one", "two", "three"):
        make_key(name)
    return settings.FERNET_KEYS[0]


@pytest.fixture
def new(settings: Any, old: str) -> str:
    settings.FERNET_KEYS = [generate_master_key(), old]
    return settings.FERNET_KEYS[0]


def serve(*keys: str) -> None:
    ServerProcess.objects.create(
        host="app-1",
        pid=4711,
        version="0.1.0",
        master_keys=[fingerprint_of(key) for key in keys],
        started_at=Now(),
        seen_at=Now(),
    )


def rows_of(response: Any) -> list[str]:
    body = re.findall(r"<tbody>(.*?)</tbody>", html_of(response), re.DOTALL)
    return [text_of(row) for table in body for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)]


def next_step_on(response: Any) -> str:
    return text_of(response).partition("Next: ")[2]


# --- Who sees it -------------------------------------------------------------------------------


def test_people_who_are_no_staff_do_not_see_it(visitor: Client, member: Client) -> None:
    for client in (visitor, member):
        assert client.get(URL).status_code == 403
        assert URL not in html_of(client.get("/"))


def test_staff_without_other_permissions_see_it(db: None) -> None:
    client = Client()
    client.force_login(User.objects.create_user("olga", is_staff=True))

    assert client.get(URL).status_code == 200
    assert URL in html_of(client.get("/"))


def test_it_is_only_looked_at(client: Client) -> None:
    assert client.post(URL).status_code == 405


# --- What it shows -----------------------------------------------------------------------------


def test_it_shows_fingerprints_in_their_order_with_their_rows_and_never_a_key(
    client: Client, old: str, new: str
) -> None:
    response = client.get(URL)

    assert rows_of(response) == [
        f"{fingerprint_of(new)} Encrypts 0",
        f"{fingerprint_of(old)} Decrypts 4",
    ]
    assert "0 of 4 rows" in text_of(response)
    for key in (old, new):
        assert key not in html_of(response)
        assert key[:12] not in html_of(response)


def test_with_one_key_there_is_nothing_to_do(client: Client, old: str) -> None:
    assert next_step_on(client.get(URL)).startswith("Nothing to do.")


def test_it_says_when_to_rotate(client: Client, new: str) -> None:
    assert next_step_on(client.get(URL)).startswith("Run “python manage.py rotate_master_key”.")


@pytest.mark.django_db(transaction=True)  # a checkpoint needs the end of the transaction
def test_after_the_rotation_it_says_how_to_drop_the_old_key(
    client: Client, old: str, new: str, by: Actor
) -> None:
    rotate_master_key(by=by)

    response = client.get(URL)

    assert "--verify”. If all is well, remove" in next_step_on(response)
    assert rows_of(response)[1] == f"{fingerprint_of(old)} Decrypts, being retired 0"
    assert "4 of 4 rows" in text_of(response)


def test_a_missing_master_key_is_listed_with_its_api_keys(
    client: Client, old: str, new: str, settings: Any
) -> None:
    settings.FERNET_KEYS = [new]

    response = client.get(URL)

    assert f"{fingerprint_of(old)} Missing 3" in rows_of(response)
    assert f"Restore the master key {fingerprint_of(old)}" in next_step_on(response)
    assert "--forget-unreadable” and enter the credentials" in next_step_on(response)
    unreadable = html_of(response).partition('id="unreadable"')[2]
    for version in CredentialVersion.objects.select_related("api_key"):
        assert version.api_key.get_absolute_url() in unreadable


def test_what_else_is_unreadable_is_listed_beside_the_credentials(
    client: Client, old: str, new: str, settings: Any
) -> None:
    assert "The key of the fingerprints" not in text_of(client.get(URL))
    CredentialVersion.objects.update(sealed=None)
    settings.FERNET_KEYS = [new]

    unreadable = text_of(client.get(URL)).partition("Unreadable credentials")[2]

    assert "The key of the fingerprints" in unreadable
    assert "--forget-unreadable" in unreadable


def test_a_damaged_row_is_found_and_its_api_key_named(client: Client, old: str) -> None:
    damaged = CredentialVersion.objects.filter(api_key__name="two")
    damaged.update(sealed=Sealed(b"gAAAAdamaged"))

    unreadable = html_of(client.get(URL)).partition('id="unreadable"')[2]

    assert damaged.get().api_key.get_absolute_url() in unreadable
    assert unreadable.count("<li>") == 1


def test_with_many_rows_damaged_ones_are_found_on_request(
    client: Client, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    CredentialVersion.objects.filter(api_key__name="two").update(sealed=Sealed(b"gAAAAdamaged"))
    monkeypatch.setattr(views, "MAX_CHECKED", 2)

    assert "None by the recorded fingerprints" in text_of(client.get(URL))
    assert "None by" not in text_of(client.get(f"{URL}?check=every"))


def test_processes_are_shown_with_what_they_can_open(client: Client, old: str, new: str) -> None:
    serve(new, old)

    row = rows_of(client.get(URL))[-1]

    assert row.startswith(f"app-1 4711 0.1.0 {fingerprint_of(new)} , {fingerprint_of(old)} Ready")


@pytest.mark.parametrize(
    ("has", "badge"), [("old", "Missing the current key"), ("old new", "Different order")]
)
def test_a_process_that_prevents_the_rotation_is_marked_and_the_next_step_is_shown(
    client: Client, old: str, new: str, has: str, badge: str
) -> None:
    serve(*({"old": old, "new": new}[name] for name in has.split()))

    response = client.get(URL)

    assert badge in rows_of(response)[-1]
    assert next_step_on(response).startswith("app-1 (process 4711)")


def test_more_keys_cost_no_more_queries(client: Client, old: str, make_key: MakeKey) -> None:
    with CaptureQueriesContext(connection) as few:
        client.get(URL)
    for number in range(5):
        make_key(f"more {number}")

    with CaptureQueriesContext(connection) as many:
        client.get(URL)

    assert len(many) == len(few)
