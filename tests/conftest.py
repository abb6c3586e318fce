"""What every test may ask for. Providers are there without asking: each migrate brings them."""

from collections.abc import Callable, Mapping, Sequence

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from apikeys.actors import Actor
from apikeys.models import ApiKey, AuthScheme
from apikeys.services import create_api_key
from endpoints.models import Endpoint, GatewayToken, Route
from endpoints.services import create_endpoint, create_token

from . import made_up

MakeKey = Callable[..., ApiKey]
MakeEndpoint = Callable[..., Endpoint]
MakeToken = Callable[..., GatewayToken]


@pytest.fixture
def key_manager(db: None) -> User:
    """Somebody who may do everything."""
    return User.objects.create_superuser("kim", "kim@example.com")


@pytest.fixture
def client(key_manager: User) -> Client:
    """A browser in which the key manager is signed in."""
    client = Client()
    client.force_login(key_manager)
    return client


@pytest.fixture
def anonymous() -> Client:
    """A browser in which nobody is signed in."""
    return Client()


@pytest.fixture
def by() -> Actor:
    """Who acts, where a test calls a service."""
    return Actor("kim", channel="page", address="192.0.2.7", user_id=7)


@pytest.fixture
def lose_events_table(db: None) -> Callable[[], None]:
    """Make it impossible to write an event, until the end of the test's transaction."""

    def lose() -> None:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE apikeys_event RENAME TO apikeys_event_lost")

    return lose


@pytest.fixture
def openai(db: None) -> AuthScheme:
    return AuthScheme.objects.get(provider__slug="openai", slug="api_key")


@pytest.fixture
def azure(db: None) -> AuthScheme:
    return AuthScheme.objects.get(provider__slug="azure", slug="api_key")


@pytest.fixture
def draft_key(db: None) -> MakeKey:
    """Make an API key that is not saved: valid, unless ``secrets`` or the config say otherwise."""

    def draft(
        name: str = "my-openai-key",
        provider: str = "openai",
        scheme: str = "",
        *,
        secrets: Mapping[str, str] | None = None,
        environment: str = "production",
        team: str = "",
        description: str = "",
        **config: str,
    ) -> ApiKey:
        schemes = AuthScheme.objects.select_related("provider").filter(provider__slug=provider)
        chosen = schemes.get(slug=scheme) if scheme else schemes[0]
        return ApiKey(
            name=name,
            scheme=chosen,
            secrets=made_up.credentials_for(chosen) if secrets is None else secrets,
            config={**made_up.config_for(chosen), **config},
            environment=environment,
            team=team,
            description=description,
        )

    return draft


@pytest.fixture
def make_key(draft_key: MakeKey, by: Actor) -> MakeKey:
    """Make an API key, as ``draft_key`` does, and save it."""

    def make(*args: str, **kwargs: object) -> ApiKey:
        return create_api_key(draft_key(*args, **kwargs), by=by)

    return make


@pytest.fixture
def make_endpoint(db: None, by: Actor) -> MakeEndpoint:
    """Make an endpoint with one route, or with those it is given."""

    def make(
        name: str,
        key: ApiKey | None = None,
        *,
        model: str = "gpt-5-mini",
        enabled: bool = True,
        routes: Sequence[Route] | None = None,
    ) -> Endpoint:
        endpoint = Endpoint(name=name, enabled=enabled)
        return create_endpoint(endpoint, routes or [Route(api_key=key, model=model)], by=by)

    return make


@pytest.fixture
def make_token(db: None, by: Actor) -> MakeToken:
    """Make a gateway token for some endpoints, or for every one where none is given."""

    def make(name: str = "search-service", *endpoints: Endpoint, **facts: object) -> GatewayToken:
        token = GatewayToken(name=name, all_endpoints=not endpoints, **facts)
        create_token(token, endpoints, by=by)
        return token

    return make
