"""Deleting an endpoint."""

import pytest
from django.test import Client

from apikeys.models import ApiKey
from endpoints.models import Endpoint, Route
from gatewayproject.accounts.models import AuditEvent
from tests.browsing import errors_in, inputs_of, messages_after, text_of
from tests.conftest import MakeEndpoint, MakeKey

pytestmark = pytest.mark.django_db

URL = "/endpoints/search/delete/"


@pytest.fixture
def search(make_key: MakeKey, make_endpoint: MakeEndpoint) -> Endpoint:
    return make_endpoint("search", make_key("my-openai-key"))


@pytest.mark.usefixtures("search")
def test_an_active_endpoint_asks_for_its_name(client: Client) -> None:
    page = client.get(URL)
    assert "This endpoint is active" in text_of(page)

    for typed in ("", "Search", "my-openai-key", "\0", "x" * 300):
        response = client.post(URL, {**inputs_of(page), "confirmation": typed})
        assert response.status_code == 422
        assert set(errors_in(response)) == {"confirmation"}

    response = client.post(URL, {**inputs_of(page), "confirmation": " search "})
    assert response.headers["Location"] == "/endpoints/"
    assert messages_after(client, response) == ["Deleted search."]
    assert not Endpoint.objects.exists()
    assert not Route.objects.exists()


def test_its_key_and_its_history_stay(client: Client, search: Endpoint) -> None:
    form = {**inputs_of(client.get(URL)), "confirmation": "search"}

    client.post(URL, form)

    assert ApiKey.objects.get().name == "my-openai-key"
    assert [event.act for event in AuditEvent.objects.filter(subject_type="endpoint")] == [
        "deleted",
        "created",
    ]
    assert "kim deleted endpoint search" in text_of(client.get("/activity/"))


@pytest.mark.parametrize("change", [{"enabled": False}, {}])
def test_deleting_an_inactive_endpoint_needs_no_name(
    client: Client, search: Endpoint, change: dict[str, bool]
) -> None:
    if change:
        Endpoint.objects.update(**change)
    else:
        Route.objects.update(api_key=None)
    page = client.get(URL)
    assert set(inputs_of(page)) == {"rev"}

    client.post(URL, inputs_of(page))

    assert not Endpoint.objects.exists()


def test_the_second_user_sees_that_it_changed(client: Client, search: Endpoint) -> None:
    old = inputs_of(client.get(URL))
    Endpoint.objects.update(rev=2)

    response = client.post(URL, {**old, "confirmation": "search"})

    assert response.status_code == 409
    assert "has changed since you opened this page" in text_of(response)
    assert Endpoint.objects.exists()
    assert client.post(URL, {**inputs_of(response), "confirmation": "search"}).status_code == 302


@pytest.mark.usefixtures("search")
@pytest.mark.parametrize("rev", ["", "0", "x", "-1", "2147483648", "9" * 20, "\0"])
def test_nothing_is_deleted_unseen(client: Client, rev: str) -> None:
    response = client.post(URL, {"rev": rev, "confirmation": "search"})

    assert response.status_code in (409, 422)
    assert Endpoint.objects.exists()


@pytest.mark.usefixtures("search")
def test_deleting_twice_is_reported(client: Client) -> None:
    form = {**inputs_of(client.get(URL)), "confirmation": "search"}
    client.post(URL, form)

    assert client.post(URL, form).status_code == 404
