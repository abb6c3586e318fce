"""Revoking a gateway token, and deleting one that no longer works."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.asserts import assertContains, assertNotContains

from endpoints.models import GatewayToken
from endpoints.services import revoke_token
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from tests.browsing import inputs_of, messages_after, text_of
from tests.conftest import MakeToken

pytestmark = pytest.mark.django_db


@pytest.fixture
def token(make_token: MakeToken) -> GatewayToken:
    return make_token("search-service")


def page(token: GatewayToken, part: str = "") -> str:
    return f"/tokens/{token.pk}/{part}"


def test_revoking_asks_once_and_is_final(client: Client, token: GatewayToken) -> None:
    asked = client.get(page(token, "revoke/"))
    assert f"Requests with {token.prefix}… are rejected immediately" in text_of(asked)
    assert "This cannot be undone." in text_of(asked)
    assert GatewayToken.objects.get().state() == "active"

    response = client.post(page(token, "revoke/"), inputs_of(asked))

    assert response.headers["Location"] == page(token)
    assert messages_after(client, response) == ["Revoked search-service."]
    assert GatewayToken.objects.get().state() == "revoked"
    event = AuditEvent.objects.about(token).first()
    assert (event.actor, event.act, event.fields) == ("kim", "revoked", ["revoked_at"])


def test_a_revoked_token_offers_nothing_but_deletion(
    client: Client, token: GatewayToken, by: Actor
) -> None:
    revoke_token(token, by=by)

    response = client.get(page(token))

    assertContains(response, page(token, "delete/"))
    assertNotContains(response, page(token, "edit/"))
    assertNotContains(response, page(token, "revoke/"))
    assert "Revoked just now" in text_of(response)


def test_revoking_twice_is_no_second_act(client: Client, token: GatewayToken, by: Actor) -> None:
    form = inputs_of(client.get(page(token, "revoke/")))
    revoke_token(token, by=by)

    response = client.post(page(token, "revoke/"), form)

    assert messages_after(client, response) == ["search-service was already revoked."]
    assert AuditEvent.objects.about(token).filter(act="revoked").count() == 1


def test_an_expired_token_can_be_revoked_so_that_it_is_not_renewed(
    client: Client, token: GatewayToken
) -> None:
    GatewayToken.objects.update(expires_at=timezone.now() - timedelta(days=1))

    client.post(page(token, "revoke/"), inputs_of(client.get(page(token, "revoke/"))))

    assert GatewayToken.objects.get().state() == "revoked"


def test_an_active_token_is_to_be_revoked_before_it_is_deleted(
    client: Client, token: GatewayToken
) -> None:
    asked = client.get(page(token, "delete/"))
    assertContains(asked, page(token, "revoke/"))

    response = client.post(page(token, "delete/"), {"confirmed": "True"})

    assert response.status_code == 409
    for answer in (asked, response):
        assert "This token is active. Revoke it before you delete it." in text_of(answer)
    assert GatewayToken.objects.exists()


@pytest.mark.parametrize("state", ["revoked", "expired"])
def test_unusable_tokens_are_deleted_and_their_history_stays(
    client: Client, token: GatewayToken, state: str
) -> None:
    now = timezone.now()
    GatewayToken.objects.update(**{"revoked_at" if state == "revoked" else "expires_at": now})

    response = client.post(page(token, "delete/"), inputs_of(client.get(page(token, "delete/"))))

    assert response.headers["Location"] == "/tokens/"
    assert messages_after(client, response) == ["Deleted search-service."]
    assert not GatewayToken.objects.exists()
    assert "kim deleted gateway token search-service" in text_of(client.get("/activity/"))
    assert client.post(page(token, "delete/"), {"confirmed": "True"}).status_code == 404


def test_a_token_renewed_concurrently_is_not_deleted(client: Client, token: GatewayToken) -> None:
    GatewayToken.objects.update(expires_at=timezone.now())
    form = inputs_of(client.get(page(token, "delete/")))
    GatewayToken.objects.update(expires_at=None)

    assert client.post(page(token, "delete/"), form).status_code == 409
    assert GatewayToken.objects.exists()


@pytest.mark.parametrize("part", ["revoke/", "delete/"])
@pytest.mark.parametrize("form", [{}, {"confirmed": ""}, {"confirmed": "False"}, {"x": "y"}])
def test_nothing_happens_unconfirmed(
    client: Client, token: GatewayToken, part: str, form: dict[str, str]
) -> None:
    GatewayToken.objects.update(expires_at=timezone.now())

    assert client.post(page(token, part), form).status_code == 422

    assert GatewayToken.objects.get().state() == "expired"
