"""Gateway tokens in the admin: to look at, edit and revoke; made elsewhere."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone
from pytest_django.asserts import assertContains, assertNotContains, assertRedirects

from endpoints.models import Endpoint, GatewayToken
from endpoints.services import digest_of_details, issue_trial_token, revoke_token
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from tests.admin_forms import SignIn, queries_of
from tests.conftest import MakeEndpoint, MakeToken

LIST = "/admin/endpoints/gatewaytoken/"


@pytest.fixture
def search(make_endpoint: MakeEndpoint) -> Endpoint:
    return make_endpoint("search", None)


@pytest.fixture
def token(make_token: MakeToken, search: Endpoint) -> GatewayToken:
    expiry = timezone.now().replace(microsecond=0) + timedelta(days=30)
    return make_token("search-service", search, expires_at=expiry)


def page_of(token: GatewayToken) -> str:
    return f"{LIST}{token.pk}/change/"


def form_of(token: GatewayToken, **changes: Any) -> dict[str, Any]:
    """Return what the change form of ``token`` posts."""
    stored = GatewayToken.objects.get(pk=token.pk)
    expiry = stored.expires_at
    return {
        "name": stored.name,
        "endpoints": ", ".join(endpoint.name for endpoint in stored.endpoints.all()),
        "expires_at_0": f"{expiry:%Y-%m-%d}" if expiry else "",
        "expires_at_1": f"{expiry:%H:%M:%S}" if expiry else "",
        "seen": digest_of_details(stored),
        **changes,
    }


def test_no_page_shows_what_could_be_presented(
    client: Client, token: GatewayToken, by: Actor
) -> None:
    pages = [LIST, page_of(token), f"{LIST}{token.pk}/history/"]

    for _ in range(2):
        for url in pages:
            response = client.get(url)
            assertContains(response, "search-service")
            assertNotContains(response, token.digest)
        revoke_token(token, by=by)
        pages.append(f"{LIST}{token.pk}/delete/")


def test_the_list_shows_the_endpoints_and_the_state_of_each_token(
    client: Client, token: GatewayToken, make_token: MakeToken, make_endpoint: MakeEndpoint
) -> None:
    make_token("every")
    make_token("many", *(make_endpoint(f"e{number}", None) for number in range(5)))

    page = client.get(LIST)

    for text in ("All endpoints", ">search<", "5 endpoints", token.prefix, "Active", "Never"):
        assertContains(page, text)


def test_a_new_token_is_made_on_the_products_own_page(client: Client, sign_in: SignIn) -> None:
    assertRedirects(client.get(f"{LIST}add/"), "/tokens/new/")
    assertRedirects(client.post(f"{LIST}add/", {"name": "x"}), "/tokens/new/")
    assert sign_in("view_gatewaytoken").get(f"{LIST}add/").status_code == 403
    assert not GatewayToken.objects.exists()


def test_a_change_goes_through_the_service(
    client: Client, token: GatewayToken, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("translate", None)
    form = form_of(token, name="Both", endpoints="search translate", expires_at_0="2099-01-01")

    response = client.post(page_of(token), form)

    assertRedirects(response, LIST)
    stored = GatewayToken.objects.get()
    assert (stored.name, stored.name_key, stored.expires_at.year) == ("Both", "both", 2099)
    assert stored.endpoints.count() == 2
    event = AuditEvent.objects.about(token).first()
    assert (event.act, event.channel) == ("edited", "admin")
    assert event.fields == ["endpoints", "expires_at", "name"]
    message = LogEntry.objects.get().get_change_message()
    assert message == "Changed endpoints, expires_at and name."


def test_saving_without_a_change_writes_no_event(client: Client, token: GatewayToken) -> None:
    client.post(page_of(token), form_of(token))

    assert AuditEvent.objects.about(token).count() == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": ""}, "required"),
        ({"name": "OTHER"}, "already has this name"),
        ({"name": "a\nb"}, "Line breaks"),
        ({"endpoints": ""}, "at least one endpoint"),
        ({"endpoints": "nonsense"}, "no endpoint called “nonsense”"),
        ({"endpoints": "a\0"}, "Null characters"),
        ({"expires_at_0": "2020-01-01"}, "time in the future"),
        ({"expires_at_0": "x"}, "valid date"),
    ],
)
def test_what_the_service_refuses_is_an_error_and_nothing_is_saved(
    client: Client,
    token: GatewayToken,
    make_token: MakeToken,
    wrong: dict[str, str],
    message: str,
) -> None:
    make_token("other")

    response = client.post(page_of(token), form_of(token, **wrong))

    assert response.status_code == 422
    assert message in str(response.context["errors"])
    assert AuditEvent.objects.about(token).count() == 1


def test_the_second_editor_sees_a_conflict_and_keeps_the_input(
    client: Client, token: GatewayToken
) -> None:
    late = form_of(token, name="second")
    client.post(page_of(token), form_of(token, name="first"))

    response = client.post(page_of(token), late)

    assertContains(response, "while you were editing", status_code=409)
    assertContains(response, 'value="second"', status_code=409)
    assert GatewayToken.objects.get().name == "first"
    client.post(page_of(token), form_of(token, name="second"))
    assert GatewayToken.objects.get().name == "second"


def test_a_revoked_token_is_only_to_be_looked_at(
    client: Client, token: GatewayToken, by: Actor
) -> None:
    form = form_of(token, name="again")
    revoke_token(token, by=by)

    assertNotContains(client.get(page_of(token)), 'name="name"')
    assert client.post(page_of(token), form).status_code == 403


# --- Revoking and deleting -----------------------------------------------------------------------


def bulk(*tokens: GatewayToken, **more: str) -> dict[str, Any]:
    return {"action": "revoke", "_selected_action": [token.pk for token in tokens], **more}


def test_several_are_revoked_after_one_confirmation(
    client: Client, token: GatewayToken, make_token: MakeToken, by: Actor
) -> None:
    other, done = make_token("other"), make_token("done")
    revoke_token(done, by=by)

    asked = client.post(LIST, bulk(token, other, done))
    assertContains(asked, "This cannot be undone")
    assert token.prefix in asked.content.decode()
    assert GatewayToken.objects.in_state("revoked").count() == 1
    response = client.post(LIST, bulk(token, other, done, confirmed="yes"), follow=True)

    assertContains(response, "Revoked other, search-service.")
    assert GatewayToken.objects.in_state("revoked").count() == 3
    assert AuditEvent.objects.filter(act="revoked", channel="admin").count() == 2
    assert AuditEvent.objects.about(done).filter(act="revoked").count() == 1


@pytest.mark.parametrize("pk", ["nonsense", "-1", "9" * 30, "²", "\0"])
def test_a_number_that_is_none_is_a_bad_request(
    client: Client, token: GatewayToken, pk: str
) -> None:
    form = {"action": "revoke", "_selected_action": [pk], "confirmed": "yes"}

    assert client.post(LIST, form).status_code == 400


def test_nothing_else_is_done_in_bulk(client: Client, token: GatewayToken, sign_in: SignIn) -> None:
    form = {**bulk(token, confirmed="yes", post="yes"), "action": "delete_selected"}
    client.post(LIST, form)
    sign_in("view_gatewaytoken").post(LIST, bulk(token, confirmed="yes"))

    assertNotContains(client.get(LIST), "delete_selected")
    assert GatewayToken.objects.get().state() == "active"


def test_only_unusable_tokens_are_deleted(client: Client, token: GatewayToken, by: Actor) -> None:
    url = f"{LIST}{token.pk}/delete/"
    assert client.post(url, {"post": "yes"}).status_code == 403
    revoke_token(token, by=by)

    assertContains(client.get(url), "Are you sure")
    client.post(url, {"post": "yes"})

    assert not GatewayToken.objects.exists()
    assert AuditEvent.objects.about(token).first().channel == "admin"


def test_an_endpoint_with_tokens_can_still_be_deleted(
    client: Client, token: GatewayToken, search: Endpoint
) -> None:
    client.post(f"/admin/endpoints/endpoint/{search.pk}/delete/", {"post": "yes"})

    assert not Endpoint.objects.exists()
    assert not GatewayToken.objects.get().endpoints.exists()


# --- The list ------------------------------------------------------------------------------------


def test_tokens_are_found_by_name_status_and_purpose(
    client: Client, token: GatewayToken, make_token: MakeToken, search: Endpoint, by: Actor
) -> None:
    revoke_token(make_token("summary"), by=by)
    issue_trial_token(search, by=by)

    for query in ("q=EARCH-s", "state=active&purpose__exact=application"):
        response = client.get(f"{LIST}?{query}")
        assertContains(response, ">search-service<")
        assertNotContains(response, ">summary<")
    assertContains(client.get(f"{LIST}?purpose__exact=trial"), "Try it: search by kim")


def test_the_list_asks_the_database_as_often_for_many_tokens_as_for_one(
    client: Client, token: GatewayToken, make_token: MakeToken, search: Endpoint
) -> None:
    few = queries_of(client, LIST)
    for number in range(8):
        make_token(f"token-{number}", search)

    assert queries_of(client, LIST) == few


def test_a_viewer_sees_tokens_and_changes_nothing(sign_in: SignIn, token: GatewayToken) -> None:
    viewer = sign_in("view_gatewaytoken")

    assertContains(viewer.get(page_of(token)), "search-service")
    assert viewer.post(page_of(token), form_of(token, name="mine")).status_code == 403
    assert viewer.get(f"{LIST}{token.pk}/delete/").status_code == 403
