"""The AI Gateway section."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.asserts import assertContains, assertNotContains

from apikeys import services
from apikeys.blast_radius import blast_radius_of
from apikeys.models import ApiKey
from endpoints.models import Route
from endpoints.usage.models import UsageBucket
from gatewayproject.accounts.actors import Actor
from tests.browsing import text_of
from tests.conftest import MakeEndpoint, MakeKey, MakeToken

pytestmark = pytest.mark.django_db


def test_it_has_the_tabs_of_the_section(client: Client) -> None:
    page = client.get("/")

    for tab, url in (
        ("Endpoints", "/endpoints/"),
        ("API Keys", "/api-keys/"),
        ("Gateway tokens", "/tokens/"),
    ):
        assertContains(page, f'href="{url}"')
        assert tab in text_of(page)
    assertContains(page, "AI Gateway")


@pytest.mark.parametrize(
    ("url", "tab"),
    [("/", "/"), ("/endpoints/", "/endpoints/"), ("/api-keys/", "/api-keys/"),
     ("/tokens/", "/tokens/"), ("/tokens/new/", "/tokens/"),
     ("/api-keys/new/", "/api-keys/"), ("/activity/", "/activity/")],
)  # fmt: skip
def test_the_current_tab_is_marked(client: Client, url: str, tab: str) -> None:
    assertContains(client.get(url), f'<a href="{tab}" aria-current="page">', count=1)


def test_it_shows_the_first_steps(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint, make_token: MakeToken
) -> None:
    assertContains(client.get("/"), "Create API Key")
    assertNotContains(client.get("/"), "Create Endpoint")

    key = make_key()
    assertNotContains(client.get("/"), "Create API Key")
    assertContains(client.get("/"), "Create Endpoint")

    make_endpoint("search", key)
    assertNotContains(client.get("/"), "Create Endpoint")
    assertContains(client.get("/"), "Create token")

    make_token()
    assertNotContains(client.get("/"), "Create token")


def test_it_shows_counts_and_the_latest_events(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    key = make_key()
    make_endpoint("search", key)
    make_endpoint("broken", key)
    Route.objects.filter(endpoint__name="broken").update(api_key=None)

    page = text_of(client.get("/"))

    assert "API keys 1 Endpoints 2 Gateway tokens 0" in page
    assert "kim created 2 endpoints: broken , search" in page
    assert "1 endpoint down" in page


def test_it_links_to_what_needs_attention(client: Client, make_key: MakeKey) -> None:
    assertNotContains(client.get("/"), "Needs attention")

    make_key("fine")
    for name in ("refused", "refused too", "overdue"):
        make_key(name)
    now = timezone.now()
    ApiKey.objects.filter(name__startswith="refused").update(refused_at=now)
    ApiKey.objects.filter(name="overdue").update(due_at=now, overdue_at=now)
    ApiKey.objects.filter(name="fine").update(expires_at=now + timedelta(days=3))

    response = client.get("/")
    text = "2 API keys refused by provider 1 API key expiring 1 API key overdue"
    assert text in text_of(response)
    assertContains(response, '<a href="/api-keys/?status=refused">2 API keys</a>')
    assertContains(client.get("/api-keys/?status=overdue"), "overdue")


def test_it_shows_the_usage_of_the_whole_gateway(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint, make_token: MakeToken
) -> None:
    make_endpoint("search", make_key())
    make_token()
    assert "Not used yet. Requests to" in text_of(client.get("/"))

    now = timezone.now()
    facts = {"hour": now.replace(minute=0, second=0, microsecond=0), "last_at": now, "model": "m"}
    for token in (1, 2):
        whose = {"endpoint_id": 1, "route_id": 1, "api_key_id": uuid4(), "token_id": token}
        UsageBucket.objects.create(**facts, **whose, requests=21)

    assert "Requests 42" in text_of(client.get("/"))


def test_it_shows_only_the_latest_events(client: Client, make_key: MakeKey) -> None:
    for number in range(12):
        make_key(f"key {number}", description="x" * (number % 2))

    assert text_of(client.get("/")).count("kim created") == 8


def test_a_bulk_action_is_one_item_of_the_latest_activity(
    client: Client, make_key: MakeKey
) -> None:
    for number in range(45):
        make_key(f"key {number}")

    page = text_of(client.get("/"))

    assert page.count("kim created") == 1
    assert "kim created 40+ API keys: key 44 , key 43 " in page


def test_events_link_to_their_subjects_while_they_exist(
    client: Client, make_key: MakeKey, by: Actor
) -> None:
    kept, gone = make_key("kept"), make_key("gone")
    services.delete_api_key(gone, by=by, seen=blast_radius_of(gone).digest())

    page = client.get("/")

    assertContains(page, f'<a href="{kept.get_absolute_url()}"><bdi>kept</bdi></a>')
    assertContains(page, "<strong><bdi>gone</bdi></strong>")  # no link
