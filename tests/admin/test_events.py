"""The audit trail in the admin: to be read, and nothing else."""

from django.test import Client
from pytest_django.asserts import assertContains, assertNotContains

from apikeys.models import Event
from tests.conftest import MakeEndpoint, MakeKey

from .conftest import SignIn, queries_of

LIST = "/admin/apikeys/event/"


def test_every_act_is_listed_with_who_and_which_fields(client: Client, make_key: MakeKey) -> None:
    make_key("acme-openai")

    response = client.get(LIST)

    assertContains(response, "acme-openai")
    assertContains(response, "api_base, api_key, environment, name")
    assertContains(response, "192.0.2.7")


def test_an_act_has_a_page_of_its_own(client: Client, make_key: MakeKey) -> None:
    make_key("acme-openai")

    response = client.get(f"{LIST}{Event.objects.get().pk}/change/")

    assertContains(response, "acme-openai")
    assertNotContains(response, 'name="_save"')


def test_acts_are_filtered_and_searched(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", make_key("acme-openai"))

    for query in ("subject_type=endpoint", "q=search", "act=created&subject_type=endpoint"):
        response = client.get(f"{LIST}?{query}")

        assertContains(response, ">search<")
        assertNotContains(response, ">acme-openai<")
    assertContains(client.get(f"{LIST}?channel__exact=admin"), "0 events")


def test_nobody_writes_history(client: Client, make_key: MakeKey) -> None:
    make_key()
    event = Event.objects.get()

    for path in ("add/", f"{event.pk}/delete/"):
        assert client.get(LIST + path).status_code == 403
        assert client.post(LIST + path, {"post": "yes"}).status_code == 403
    assert client.post(f"{LIST}{event.pk}/change/", {"act": "nothing"}).status_code == 403
    bulk = {"action": "delete_selected", "_selected_action": [event.pk], "post": "yes"}
    client.post(LIST, bulk)
    assert Event.objects.get() == event


def test_the_list_asks_the_database_a_constant_number_of_times(
    client: Client, make_key: MakeKey
) -> None:
    make_key("first")
    few = queries_of(client, LIST)
    for number in range(5):
        make_key(f"key-{number}")

    assert queries_of(client, LIST) == few


def test_staff_need_permission_to_read_it(sign_in: SignIn) -> None:
    assert sign_in("view_apikey").get(LIST).status_code == 403
