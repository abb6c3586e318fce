"""A gateway token's page, and editing it."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.asserts import assertContains, assertNotContains

from endpoints.models import Endpoint, GatewayToken
from endpoints.services import digest_of_details, revoke_token
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from tests.browsing import errors_in, html_of, inputs_of, messages_after, text_of
from tests.conftest import MakeEndpoint, MakeToken

pytestmark = pytest.mark.django_db


@pytest.fixture
def search(make_endpoint: MakeEndpoint) -> Endpoint:
    return make_endpoint("search", None)


@pytest.fixture
def token(make_token: MakeToken, search: Endpoint) -> GatewayToken:
    expiry = timezone.now() + timedelta(days=30)
    return make_token("search-service", search, expires_at=expiry)


def page(token: GatewayToken, part: str = "") -> str:
    return f"/tokens/{token.pk}/{part}"


def edited(token: GatewayToken, **changes: Any) -> dict[str, Any]:
    """Return what the edit form of ``token`` posts."""
    return {
        "name": token.name,
        "endpoints": [endpoint.name for endpoint in token.endpoints.all()],
        "expires_at": "keep",
        "expires_on": "",
        "seen": digest_of_details(GatewayToken.objects.get(pk=token.pk)),
        **changes,
    }


def test_its_page_shows_everything_but_the_token(client: Client, token: GatewayToken) -> None:
    response = client.get(page(token))

    shown = text_of(response)
    assert f"Prefix {token.prefix}… the rest was shown once and is not stored" in shown
    assert "Last used Never" in shown
    assert "Created just now by kim" in shown
    assert "kim created · Endpoints, Expires, Name" in shown
    assertContains(response, '<a href="/endpoints/search/">search</a>')
    assertNotContains(response, token.digest)


def test_the_form_is_filled_with_what_is_stored(client: Client, token: GatewayToken) -> None:
    response = client.get(page(token, "edit/"))

    assert inputs_of(response)["name"] == "search-service"
    assert re.search(r'value="search"[^>]* checked', html_of(response))
    expiry = f"{token.expires_at:%b} {token.expires_at.day}, {token.expires_at:%Y %H:%M}"
    assertContains(response, f'<option value="keep" selected>Keep: {expiry}</option>')


def test_many_endpoints_are_filled_in_as_a_line(
    client: Client, make_endpoint: MakeEndpoint, make_token: MakeToken
) -> None:
    endpoints = [make_endpoint(f"endpoint-{number:02}", None) for number in range(60)]
    token = make_token("many", *endpoints)

    inputs = inputs_of(client.get(page(token, "edit/")))
    assert inputs["endpoints"].startswith("endpoint-00, endpoint-01, ")
    response = client.post(page(token, "edit/"), edited(token, endpoints=inputs["endpoints"]))

    assert messages_after(client, response) == ["Nothing was changed in many."]
    assert token.endpoints.count() == 60


def test_saving_the_page_as_it_is_changes_nothing(client: Client, token: GatewayToken) -> None:
    response = client.post(page(token, "edit/"), edited(token))

    assert messages_after(client, response) == ["Nothing was changed in search-service."]
    assert AuditEvent.objects.about(token).count() == 1


def test_everything_can_be_changed(
    client: Client, token: GatewayToken, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("translate", None)
    form = edited(token, name="Translator", endpoints=["translate"], expires_at="never")

    response = client.post(page(token, "edit/"), form)

    assert response.headers["Location"] == page(token)
    assert messages_after(client, response) == ["Saved Translator."]
    stored = GatewayToken.objects.get()
    assert (stored.name, stored.expires_at) == ("Translator", None)
    assert [endpoint.name for endpoint in stored.endpoints.all()] == ["translate"]
    assert stored.digest == token.digest
    event = AuditEvent.objects.about(token).first()
    assert (event.act, event.fields) == ("edited", ["endpoints", "expires_at", "name"])


def test_every_endpoint_is_a_choice(client: Client, token: GatewayToken) -> None:
    client.post(page(token, "edit/"), edited(token, all_endpoints="on"))

    assert GatewayToken.objects.get().all_endpoints
    assert not token.endpoints.exists()


def test_an_expired_token_is_renewed(client: Client, token: GatewayToken) -> None:
    GatewayToken.objects.update(expires_at=timezone.now() - timedelta(days=3))

    client.post(page(token, "edit/"), edited(token, name="renamed"))
    assert GatewayToken.objects.get().state() == "expired"
    client.post(page(token, "edit/"), edited(token, expires_at="7"))

    assert GatewayToken.objects.get().state() == "active"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "other"}, "name"),
        ({"name": ""}, "name"),
        ({"endpoints": []}, "endpoints"),
        ({"endpoints": ["nonsense"]}, "endpoints"),
        ({"expires_at": "x"}, "expires_at"),
        ({"expires_at": "date", "expires_on": "2020-01-01"}, "expires_on"),
    ],
)
def test_an_error_is_shown_at_its_input(
    client: Client,
    token: GatewayToken,
    make_token: MakeToken,
    changes: dict[str, Any],
    field: str,
) -> None:
    make_token("other")

    response = client.post(page(token, "edit/"), edited(token, **changes))

    assert response.status_code == 422
    assert set(errors_in(response)) == {field}
    assert "Edit search-service" in text_of(response)
    assert AuditEvent.objects.about(token).count() == 1


def test_the_second_editor_sees_a_conflict_and_keeps_the_input(
    client: Client, member: Client, token: GatewayToken
) -> None:
    form = edited(token, name="Mine")
    client.post(page(token, "edit/"), edited(token, expires_at="never"))

    response = member.post(page(token, "edit/"), form)

    assert response.status_code == 409
    assert "while you were editing. Nothing is saved yet." in text_of(response)
    assert inputs_of(response)["name"] == "Mine"
    assertContains(response, "Keep: never", status_code=409)
    assert GatewayToken.objects.get().name == "search-service"
    shown = {name: inputs_of(response)[name] for name in ("seen", "base")}
    again = form | shown | {"choice-name": "mine"}
    assert member.post(page(token, "edit/"), again).status_code == 302
    stored = GatewayToken.objects.get()
    assert (stored.name, stored.expires_at) == ("Mine", None)


@pytest.mark.parametrize("seen", ["", "0" * 16, "x" * 17, "\0"])
def test_nothing_is_changed_unseen(client: Client, token: GatewayToken, seen: str) -> None:
    response = client.post(page(token, "edit/"), edited(token, name="other", seen=seen))

    assert response.status_code in (409, 422)
    assert GatewayToken.objects.get().name == "search-service"


def test_a_token_revoked_concurrently_is_past_editing(
    client: Client, token: GatewayToken, by: Actor
) -> None:
    form = edited(token, expires_at="never")
    revoke_token(token, by=by)

    looked, saved = client.get(page(token, "edit/")), client.post(page(token, "edit/"), form)

    assert (looked.status_code, saved.status_code) == (200, 409)
    for response in (looked, saved):
        assert "This token is revoked" in text_of(response)
    assertNotContains(looked, 'name="name"')
    assert GatewayToken.objects.get().expires_at == token.expires_at


@pytest.mark.parametrize("part", ["", "edit/", "revoke/", "delete/", "endpoints/"])
@pytest.mark.parametrize("pk", ["0", "99", "9" * 30, "9" * 5000, "x", "-1", "%00", "٣"])
def test_a_token_that_there_is_not_is_not_found(client: Client, pk: str, part: str) -> None:
    for response in (client.get(f"/tokens/{pk}/{part}"), client.post(f"/tokens/{pk}/{part}")):
        assert response.status_code == 404 or response.status_code == 405
