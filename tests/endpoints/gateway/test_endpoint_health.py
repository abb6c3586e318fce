"""What pages say of an endpoint's health is what the gateway does."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.test import Client
from django.utils import timezone

from apikeys.models import ApiKey, CredentialVersion
from endpoints.models import Endpoint, Route
from endpoints.services.health import health_of, in_state
from tests.browsing import rows_of, text_of
from tests.conftest import MakeEndpoint
from tests.gateway_fixtures import KeyAt

from .client import chat, eventually

Break = Callable[[ApiKey, Any], None]


def disable(key: ApiKey, settings: Any) -> None:
    ApiKey.objects.filter(pk=key.pk).update(enabled=False)


def expire(key: ApiKey, settings: Any) -> None:
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(days=1))


def remove(key: ApiKey, settings: Any) -> None:
    Route.objects.filter(api_key=key).update(api_key=None)


def lose_credentials(key: ApiKey, settings: Any) -> None:
    ApiKey.objects.filter(pk=key.pk).update(current=None)


def lose_master_key(key: ApiKey, settings: Any) -> None:
    """Its row says another master key, and is sealed under it."""
    kept, lost = settings.FERNET_KEYS, [Fernet.generate_key().decode()]
    settings.FERNET_KEYS = lost
    version = CredentialVersion.seal(key, {"api_key": "sk-made-up"}, origins=key.origins(), by="")
    settings.FERNET_KEYS = kept
    CredentialVersion.objects.filter(pk=key.current_id).update(
        sealed=version.sealed, master_key=version.master_key
    )


def be_refused(key: ApiKey, settings: Any) -> None:
    Route.objects.filter(api_key=key).update(model="fail-401")


def fail(key: ApiKey, settings: Any) -> None:
    Route.objects.filter(api_key=key).update(model="fail-503")


def damage(key: ApiKey, settings: Any) -> None:
    """Its row says that a master key opens it, and none does."""
    version = CredentialVersion.objects.get(pk=key.current_id)
    token = version.sealed.token
    version.sealed = type(version.sealed)(token[:-8] + b"AAAAAAA=")
    version.save(update_fields=["sealed"])


@pytest.mark.parametrize(
    ("break_it", "mark", "state"),
    [
        (None, "", "active"),
        (disable, "Disabled key", "down"),
        (remove, "No key", "down"),
        (lose_credentials, "No credentials", "down"),
        (lose_master_key, "Unreadable key", "down"),
        (be_refused, "Refused by provider", "down"),
        (fail, "Failing", "down"),
        (damage, "Failing", "down"),
        (expire, "Expired key", "degraded"),  # the gateway leaves that to the provider
    ],
)
def test_pages_and_gateway_agree(
    break_it: Break | None,
    mark: str,
    state: str,
    client: Client,
    gateway: str,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    settings: Any,
) -> None:
    key = key_at()
    make_endpoint("search", key)
    if break_it is not None:
        break_it(key, settings)

    statuses = {chat(gateway, token).status for _ in range(3)}
    eventually(lambda: rows_of(client.get("/endpoints/"))[0]["Status"].startswith(state.title()))

    assert (statuses == {200}) == (state != "down")
    assert mark.lower() in rows_of(client.get("/endpoints/"))[0]["Status"].lower()
    assert list(in_state(Endpoint.objects.all(), state)) == [Endpoint.objects.get()]
    page = text_of(client.get("/endpoints/search/"))
    assert f"search {state.title()}" in page


def test_a_fallback_that_serves_leaves_an_endpoint_degraded(
    client: Client,
    gateway: str,
    token: str,
    key_at: KeyAt,
    other_key: ApiKey,
    make_endpoint: MakeEndpoint,
) -> None:
    routes = [
        Route(api_key=key_at(), model="fail-503"),
        Route(api_key=other_key, model="gpt-5-mini", kind="fallback"),
    ]
    make_endpoint("search", routes=routes)

    assert {chat(gateway, token).status for _ in range(4)} == {200}

    eventually(lambda: in_state(Endpoint.objects.all(), "degraded").exists())
    (row,) = rows_of(client.get("/endpoints/"))
    assert row["Status"].startswith("Degraded Primary: failing (4 of 4 requests failed since ")
    assert "1 degraded" in text_of(client.get("/endpoints/"))
    assert "1 endpoint degraded" in text_of(client.get("/"))


def test_credentials_damaged_in_the_database_show_on_the_page_at_once(
    client: Client, key_at: KeyAt, make_endpoint: MakeEndpoint, settings: Any
) -> None:
    key = key_at()
    endpoint = make_endpoint("search", key)
    damage(key, settings)

    page = text_of(client.get("/endpoints/search/"))

    assert "Primary: unreadable key (No configured master key decrypts these credentials)" in page
    stored = Endpoint.objects.with_routes().get(pk=endpoint.pk)
    assert health_of([stored])[stored.pk].state == "active"
    assert health_of([stored], opening=True)[stored.pk].state == "down"
