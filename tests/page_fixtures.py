"""People with less to say than the key manager, and an endpoint with several routes."""

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from apikeys.models import ApiKey
from endpoints.models import Endpoint, Route

from .conftest import MakeEndpoint, MakeKey


@pytest.fixture
def member(db: None) -> Client:
    """A browser in which a member of the group Key managers is signed in."""
    person = User.objects.create_user("mia")
    person.groups.add(Group.objects.get(name="Key managers"))
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def visitor(db: None) -> Client:
    """A browser in which a user without permissions is signed in."""
    client = Client()
    client.force_login(User.objects.create_user("vito"))
    return client


@pytest.fixture
def three_keys(make_key: MakeKey) -> dict[str, ApiKey]:
    return {
        "openai": make_key("openai"),
        "azure": make_key("azure", "azure"),
        "claude": make_key("claude", "anthropic"),
    }


@pytest.fixture
def shared(three_keys: dict[str, ApiKey], make_endpoint: MakeEndpoint) -> Endpoint:
    """The endpoint ``search``, which shares its traffic and has two fallbacks."""
    return make_endpoint(
        "search",
        routes=[
            Route(api_key=three_keys["openai"], model="gpt-5", weight=70),
            Route(api_key=three_keys["azure"], model="gpt-5", weight=30),
            Route(api_key=three_keys["claude"], model="sonnet", kind="fallback"),
            Route(api_key=three_keys["openai"], model="gpt-5-mini", kind="fallback"),
        ],
    )
