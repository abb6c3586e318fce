"""How often pages wait for the database, which may be some milliseconds away."""

from collections.abc import Iterator

import pytest
from django.db import close_old_connections, connection
from django.test import Client

from apikeys.models import ApiKey
from tests.browsing import edited
from tests.conftest import MakeEndpoint, MakeKey, MakeToken
from tests.database_proxy import DatabaseProxy, database_proxy

pytestmark = pytest.mark.django_db(transaction=True)

EDIT = 12
LISTS = {"/api-keys/": 5, "/tokens/": 6, "/activity/": 8, "/endpoints/": 16}


@pytest.fixture
def proxy() -> Iterator[DatabaseProxy]:
    """All queries of the test go through it."""
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL")
    settings = connection.settings_dict
    with database_proxy() as proxy:
        before = {name: settings[name] for name in ("HOST", "PORT", "OPTIONS")}
        connection.close()
        options = {**settings["OPTIONS"], "sslmode": "disable"}
        settings.update(HOST="127.0.0.1", PORT=proxy.port, OPTIONS=options)
        try:
            yield proxy
        finally:
            connection.close()
            settings.update(before)


def start_request(proxy: DatabaseProxy) -> None:
    """Do what a server does before each request: the first query checks the connection."""
    close_old_connections()
    proxy.reset_counts()


@pytest.mark.parametrize(("path", "limit"), LISTS.items())
def test_a_list_page_needs_few_round_trips(
    path: str,
    limit: int,
    proxy: DatabaseProxy,
    client: Client,
    make_key: MakeKey,
    make_endpoint: MakeEndpoint,
    make_token: MakeToken,
) -> None:
    make_token("search-service", make_endpoint("search", make_key("my-openai-key")))
    client.get(path)

    start_request(proxy)
    response = client.get(path)

    assert response.status_code == 200
    assert 0 < proxy.round_trips <= limit, "\n".join(proxy.statements)


def test_an_edit_needs_few_round_trips(
    proxy: DatabaseProxy, client: Client, make_key: MakeKey
) -> None:
    key = make_key("my-openai-key")
    form = edited(key, description="For search")

    start_request(proxy)
    response = client.post(f"/api-keys/{key.pk}/edit/", form)
    round_trips = proxy.round_trips

    assert response.status_code == 302
    assert ApiKey.objects.get().description == "For search"
    assert 0 < round_trips <= EDIT, "\n".join(proxy.statements)


def test_a_connection_that_was_dropped_is_replaced_without_an_error(
    proxy: DatabaseProxy, client: Client
) -> None:
    client.get("/api-keys/")
    proxy.cut()

    start_request(proxy)

    assert client.get("/api-keys/").status_code == 200
