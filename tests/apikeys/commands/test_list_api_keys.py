"""`manage.py list_api_keys`."""

import io
import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys.models import ApiKey, CredentialVersion
from apikeys.sealing import Sealed
from endpoints.models import Endpoint

pytestmark = pytest.mark.django_db


def listed(*arguments: str) -> str:
    out = io.StringIO()
    call_command("list_api_keys", *arguments, stdout=out)
    return out.getvalue()


def test_without_keys_it_reports_that() -> None:
    assert listed() == "There are no API keys yet.\n"
    assert json.loads(listed("--json")) == []


def test_every_key_is_listed_with_its_endpoints(
    make_key: Callable[..., ApiKey], make_endpoint: Callable[..., Endpoint]
) -> None:
    key = make_key("beta", environment="staging", team="Search")
    now = timezone.now().replace(microsecond=0)
    dates = {"expires_at": now + timedelta(days=3), "last_used_at": now - timedelta(days=2)}
    ApiKey.objects.filter(pk=key.pk).update(**dates)
    make_key("Alpha", "anthropic")
    make_endpoint("search", key)

    rows = json.loads(listed("--json"))

    assert [row["name"] for row in rows] == ["Alpha", "beta"]
    assert rows[1] == {
        "name": "beta",
        "provider": "openai",
        "scheme": "api_key",
        "environment": "staging",
        "team": "Search",
        "hint": "wXyZ",
        "status": "expiring",
        "endpoints": 1,
        "expires": dates["expires_at"].isoformat(timespec="seconds"),
        "last_used": dates["last_used_at"].isoformat(timespec="seconds"),
        "last_updated": key.credentials_changed_at.isoformat(timespec="seconds"),
        "created": key.created_at.isoformat(timespec="seconds"),
        "created_by": "kim",
        "readable": True,
    }
    head, first, second = listed().splitlines()
    assert head.split()[:2] == ["NAME", "PROVIDER"]
    assert first.split()[0] == "Alpha"
    assert second.endswith("yes")


def test_the_list_is_filtered_as_on_the_page(make_key: Callable[..., ApiKey]) -> None:
    make_key("used", "anthropic", team="Chat", environment="staging")
    make_key("old")
    now = timezone.now()
    ApiKey.objects.filter(name="old").update(created_at=now - timedelta(days=91))
    soon = {"last_used_at": now, "expires_at": now + timedelta(days=20)}
    ApiKey.objects.filter(name="used").update(**soon)

    def names(*arguments: str) -> list[str]:
        return [row["name"] for row in json.loads(listed("--json", *arguments))]

    assert names("--unused-for", "90") == ["old"]
    for found in (
        ("--expires-in", "30"),
        ("--provider", "anthropic"),
        ("--environment", "staging"),
        ("--team", "Chat"),
        ("--search", "anthropic chat"),
        ("--team", "Chat", "--expires-in", "30"),
    ):
        assert names(*found) == ["used"], found
    assert names("--team", "Chat", "--unused-for", "90") == []
    assert listed("--status", "expiring") == "No matching API keys.\n"


@pytest.mark.parametrize(
    "arguments",
    [("--provider", "nonsense"), ("--unused-for", "0"), ("--expires-in", "99999999999")],
)
def test_a_filter_that_makes_no_sense_is_refused(db: None, arguments: tuple[str, str]) -> None:
    with pytest.raises(CommandError):
        listed(*arguments)


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
