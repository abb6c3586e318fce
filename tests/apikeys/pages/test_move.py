"""Moving the endpoints of a key to another key."""

from collections.abc import Callable

import pytest
from django.test import Client

from apikeys.blast_radius import blast_radius_of
from apikeys.forms import move
from apikeys.models import ApiKey
from apikeys.services import disable_api_key
from endpoints.models import Endpoint, Route
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from tests.browsing import errors_in, html_of, inputs_of, messages_after, text_of
from tests.conftest import MakeEndpoint, MakeKey

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(make_key: MakeKey) -> ApiKey:
    return make_key("old-key")


@pytest.fixture
def target(make_key: MakeKey) -> ApiKey:
    return make_key("new-key")


@pytest.fixture
def endpoints(key: ApiKey, make_endpoint: MakeEndpoint) -> list[Endpoint]:
    return [make_endpoint(name, key) for name in ("assist", "search")]


def url_of(key: ApiKey) -> str:
    return f"/api-keys/{key.pk}/move/"


def keys_of_routes() -> dict[str, str]:
    return dict(Route.objects.values_list("endpoint__name", "api_key__name"))


def test_the_page_of_a_key_in_use_leads_to_it(
    client: Client, key: ApiKey, target: ApiKey, endpoints: list[Endpoint]
) -> None:
    assert url_of(key) in html_of(client.get(f"/api-keys/{key.pk}/"))
    assert url_of(target) not in html_of(client.get(f"/api-keys/{target.pk}/"))


def test_all_endpoints_are_moved_unless_some_are_left_out(
    client: Client, key: ApiKey, target: ApiKey, endpoints: list[Endpoint]
) -> None:
    page = client.get(url_of(key))
    assert html_of(page).count("checked") == 2
    assert "new-key" in html_of(page)
    assert "assist Active search Active" in text_of(page)
    inputs = inputs_of(page)

    response = client.post(
        url_of(key), {"seen": inputs["seen"], "target": "new-key", "names": ["search"]}
    )

    assert messages_after(client, response) == ["Moved 1 endpoint to new-key."]
    assert keys_of_routes() == {"assist": "old-key", "search": "new-key"}
    assert dict(Endpoint.objects.values_list("name", "rev")) == {"assist": 1, "search": 2}
    assert ApiKey.objects.count() == 2
    page = text_of(client.get("/activity/"))
    assert "kim moved endpoints from API key old-key · 1 endpoint to new-key" in page
    assert "kim moved endpoints to API key new-key · 1 endpoint from old-key" in page
    assert "kim key replaced endpoint search · API key · moved from old-key to new-key" in page
    assert not AuditEvent.objects.filter(subject_name="assist", act="key replaced").exists()


def test_nothing_is_moved_without_a_key_or_without_an_endpoint(
    client: Client, key: ApiKey, target: ApiKey, endpoints: list[Endpoint]
) -> None:
    seen = blast_radius_of(key).digest()
    for typed, wrong in (
        ({"target": "", "names": ["assist"]}, "target"),
        ({"target": "old-key", "names": ["assist"]}, "target"),
        ({"target": "no such key", "names": ["assist"]}, "target"),
        ({"target": "new-key", "names": []}, "names"),
        ({"target": "new-key", "names": ["of-another-key"]}, "names"),
    ):
        response = client.post(url_of(key), {"seen": seen, **typed})

        assert response.status_code == 422
        assert set(errors_in(response)) == {wrong}
    assert set(keys_of_routes().values()) == {"old-key"}


def test_a_stale_form_moves_nothing(
    client: Client, key: ApiKey, target: ApiKey, endpoints: list[Endpoint],
    make_endpoint: MakeEndpoint,
) -> None:  # fmt: skip
    seen = blast_radius_of(key).digest()
    make_endpoint("another", key)

    response = client.post(
        url_of(key), {"seen": seen, "target": "new-key", "names": ["assist", "search"]}
    )

    assert response.status_code == 409
    assert "Nothing was moved." in text_of(response)
    assert "another" in text_of(response)
    assert set(keys_of_routes().values()) == {"old-key"}


def test_azure_keys_of_two_providers_replace_each_other_and_those_of_openai_do_not(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    here = make_key("azure-1", "azure", "api_key")
    make_key("azure-2", "openai", "azure_api_key")
    make_key("openai-1", "openai", "api_key")
    make_endpoint("search", here)

    page = html_of(client.get(url_of(here)))

    assert "azure-2" in page
    assert "openai-1" not in page
    seen = blast_radius_of(here).digest()
    for name, status in (("openai-1", 422), ("azure-2", 302)):
        response = client.post(url_of(here), {"seen": seen, "target": name, "names": ["search"]})
        assert response.status_code == status


def test_a_disabled_key_takes_no_endpoints(
    client: Client, key: ApiKey, target: ApiKey, endpoints: list[Endpoint], by: Actor
) -> None:
    disable_api_key(target, by=by, rev=1)
    seen = blast_radius_of(key).digest()

    response = client.post(url_of(key), {"seen": seen, "target": "new-key", "names": ["assist"]})

    assert errors_in(response) == {"target": "new-key is disabled. Enable it first."}


def test_an_endpoint_that_uses_both_keys_with_one_model_is_not_moved(
    client: Client, key: ApiKey, target: ApiKey, endpoints: list[Endpoint]
) -> None:
    model = Route.objects.get(endpoint__name="assist").model
    Route.objects.create(endpoint=endpoints[0], api_key=target, model=model, kind="fallback")
    seen = blast_radius_of(key).digest()

    response = client.post(
        url_of(key), {"seen": seen, "target": "new-key", "names": ["assist", "search"]}
    )

    assert response.status_code == 422
    assert errors_in(response)["names"].startswith("assist already uses new-key")
    assert keys_of_routes()["search"] == "old-key"


def test_without_boxes_all_are_moved(
    client: Client, key: ApiKey, target: ApiKey, endpoints: list[Endpoint],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(move, "MOST_NAMES", 1)
    page = client.get(url_of(key))
    assert "All 2 endpoints of this key will be moved." in text_of(page)

    client.post(url_of(key), {**inputs_of(page), "target": "new-key"})

    assert set(keys_of_routes().values()) == {"new-key"}


def test_the_page_reports_that_no_key_matches(
    client: Client, key: ApiKey, endpoints: list[Endpoint], make_key: MakeKey
) -> None:
    other = make_key("claude", "anthropic")

    page = text_of(client.get(url_of(key)))

    assert "No other key offers the same API and models" in page
    assert "No endpoint uses this key." in text_of(client.get(url_of(other)))


def test_without_its_event_nothing_is_moved(
    client: Client, key: ApiKey, target: ApiKey, endpoints: list[Endpoint],
    lose_events_table: Callable[[], None],
) -> None:  # fmt: skip
    typed = {"seen": blast_radius_of(key).digest(), "target": "new-key", "names": ["assist"]}
    lose_events_table()
    client.raise_request_exception = False

    assert client.post(url_of(key), typed).status_code in (500, 503)  # the databases differ
    assert set(keys_of_routes().values()) == {"old-key"}
