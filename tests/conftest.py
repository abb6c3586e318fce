"""What every test may ask for. Providers are there without asking: each migrate brings them."""

import gc
import signal
from collections.abc import Callable, Mapping, Sequence

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker

from apikeys.models import ApiKey, AuthScheme, CheckedDraft, KeyDraft
from apikeys.sealing import Secrets
from apikeys.services import create_api_key
from endpoints.models import Endpoint, GatewayToken, Route
from endpoints.services import create_endpoint, create_token
from gatewayproject.accounts import passwords
from gatewayproject.accounts.actors import Actor

from . import fakes
from .restoring import restore_instead_of_flushing

# No test is about time: another process may need the processor.
hypothesis_settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("untimed")

# Passwords make way for the gateway, but not for the browsers and processes of other tests.
passwords.NICE = 0

# A shell that runs the tests in the background ignores Ctrl-C, and so would our processes.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    "tests.admin_forms",
    "tests.gateway_fixtures",
    "tests.installation_fixtures",
    "tests.page_fixtures",
]

DraftKey = Callable[..., CheckedDraft]


def pytest_collection_finish() -> None:
    """Collect garbage of the tests only: modules and thousands of collected tests are none."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


DraftKey = Callable[..., CheckedDraft]
MakeKey = Callable[..., ApiKey]
MakeEndpoint = Callable[..., Endpoint]
MakeToken = Callable[..., GatewayToken]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    with django_db_blocker.unblock():
        restore_instead_of_flushing()


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
    """A browser without a signed-in user."""
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
            cursor.execute("ALTER TABLE accounts_auditevent RENAME TO accounts_auditevent_lost")

    return lose


@pytest.fixture
def openai(db: None) -> AuthScheme:
    return AuthScheme.objects.get(provider__slug="openai", slug="api_key")


@pytest.fixture
def azure(db: None) -> AuthScheme:
    return AuthScheme.objects.get(provider__slug="azure", slug="api_key")


@pytest.fixture
def draft_key(db: None) -> DraftKey:
    """Check an API key that is not saved: valid, unless ``secrets`` or the config say otherwise."""

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
    ) -> CheckedDraft:
        schemes = AuthScheme.objects.select_related("provider").filter(provider__slug=provider)
        chosen = schemes.get(slug=scheme) if scheme else schemes[0]
        typed = fakes.credentials_for(chosen) if secrets is None else secrets
        draft = KeyDraft(
            chosen,
            {"name": name, "environment": environment, "team": team, "description": description},
            {**fakes.config_for(chosen), **config},
            Secrets(typed),
        )
        return draft.check()

    return draft


@pytest.fixture
def make_key(draft_key: DraftKey, by: Actor) -> MakeKey:
    """Make an API key, as ``draft_key`` does, and save it."""

    def make(*args: str, **kwargs: object) -> ApiKey:
        return create_api_key(draft_key(*args, **kwargs), by=by).api_key

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
