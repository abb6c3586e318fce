"""`manage.py list_api_keys`."""

import io
import json
from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apikeys.models import ApiKey, CredentialVersion
from apikeys.sealing import Sealed
from endpoints.models import Endpoint

pytestmark = pytest.mark.django_db


def listed(*arguments: str) -> str:
    out = io.StringIO()
    call_command("list_api_keys", *arguments, stdout=out)
    return out.getvalue()


def test_without_keys_it_says_so() -> None:
    assert listed() == "There are no API keys yet.\n"
    assert json.loads(listed("--json")) == []


def test_every_key_is_listed_with_its_endpoints(
    make_key: Callable[..., ApiKey], make_endpoint: Callable[..., Endpoint]
) -> None:
    key = make_key("beta", environment="staging")
    make_key("Alpha", "anthropic")
    make_endpoint("search", key)

    rows = json.loads(listed("--json"))

    assert [row["name"] for row in rows] == ["Alpha", "beta"]
    assert rows[1] == {
        "name": "beta",
        "provider": "openai",
        "scheme": "api_key",
        "environment": "staging",
        "endpoints": 1,
        "last_updated": key.credentials_changed_at.isoformat(timespec="seconds"),
        "readable": True,
    }
    head, first, second = listed().splitlines()
    assert head.split()[:2] == ["NAME", "PROVIDER"]
    assert first.split()[0] == "Alpha"
    assert second.endswith("yes")


def test_a_key_that_no_master_key_opens_is_listed_as_unreadable(
    make_key: Callable[..., ApiKey],
) -> None:
    make_key("fine")
    damaged = make_key("damaged")
    CredentialVersion.objects.filter(pk=damaged.current.pk).update(sealed=Sealed(b"gAAAAdamaged"))

    rows = {row["name"]: row["readable"] for row in json.loads(listed("--json"))}

    assert rows == {"fine": True, "damaged": False}


def test_nothing_is_opened(
    make_key: Callable[..., ApiKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_key("my-openai-key")

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a secret was opened")

    monkeypatch.setattr("apikeys.sealing.open_sealed", refuse)

    assert "my-openai-key" in listed()


def test_more_keys_cost_no_more_queries(make_key: Callable[..., ApiKey]) -> None:
    make_key("one")
    with CaptureQueriesContext(connection) as few:
        listed()
    for number in range(5):
        make_key(f"more {number}")

    with CaptureQueriesContext(connection) as many:
        listed()

    assert len(many) == len(few)
