"""Audit events in the admin, which are read-only."""

from django.test import Client
from pytest_django.asserts import assertContains, assertNotContains

from gatewayproject.accounts.models import AuditEvent
from tests.admin_forms import SignIn, queries_of
from tests.conftest import MakeEndpoint, MakeKey

LIST = "/admin/accounts/auditevent/"


def test_every_event_is_listed_with_actor_and_fields(client: Client, make_key: MakeKey) -> None:
    make_key("acme-openai")

    response = client.get(LIST)

    assertContains(response, "acme-openai")
    assertContains(response, "API base URL, API key, Environment, Name")
    assertContains(response, "192.0.2.7")


def test_an_event_has_its_own_page(client: Client, make_key: MakeKey) -> None:
    make_key("acme-openai")

    response = client.get(f"{LIST}{AuditEvent.objects.get().pk}/change/")

    assertContains(response, "acme-openai")
    assertNotContains(response, 'name="_save"')


def test_events_can_be_filtered_and_searched(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", make_key("acme-openai"))

    for query in ("subject_type=endpoint", "q=search", "act=created&subject_type=endpoint"):
        response = client.get(f"{LIST}?{query}")

        assertContains(response, ">search<")
        assertNotContains(response, ">acme-openai<")
    assertContains(client.get(f"{LIST}?channel__exact=admin"), "0 audit events")


def test_events_are_read_only(client: Client, make_key: MakeKey) -> None:
    make_key()
    event = AuditEvent.objects.get()

    for path in ("add/", f"{event.pk}/delete/"):
        assert client.get(LIST + path).status_code == 403
        assert client.post(LIST + path, {"post": "yes"}).status_code == 403
    assert client.post(f"{LIST}{event.pk}/change/", {"act": "nothing"}).status_code == 403
    bulk = {"action": "delete_selected", "_selected_action": [event.pk], "post": "yes"}
    client.post(LIST, bulk)
    assert AuditEvent.objects.get() == event


def test_the_list_uses_a_constant_number_of_queries(client: Client, make_key: MakeKey) -> None:
    make_key("first")
    few = queries_of(client, LIST)
    for number in range(5):
        make_key(f"key-{number}")

    assert queries_of(client, LIST) == few


def test_staff_need_permission_to_read_events(sign_in: SignIn) -> None:
    assert sign_in("view_apikey").get(LIST).status_code == 403
