"""People with fewer permissions, and what the forms of the admin post."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apikeys.models import ApiKey
from endpoints.models import Endpoint

SignIn = Callable[..., Client]


@pytest.fixture
def sign_in(db: None) -> SignIn:
    """Sign in a colleague of the staff, who has the permissions of these code names only."""

    def sign(*code_names: str, is_staff: bool = True) -> Client:
        user = User.objects.create_user("robin", is_staff=is_staff)
        user.user_permissions.set(Permission.objects.filter(codename__in=code_names))
        client = Client()
        client.force_login(user)
        return client

    return sign


def queries_of(client: Client, url: str) -> int:
    """Return how often ``url`` asks the database."""
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


def details_of(api_key: ApiKey, **changes: Any) -> dict[str, Any]:
    """Return what the change form of ``api_key`` posts."""
    names = ("name", "environment", "team", "description")
    details = {name: getattr(api_key, name) for name in names}
    return details | {"revision": api_key.rev} | changes


def endpoint_form(
    endpoint: Endpoint | None, *routes: dict[str, Any], **changes: Any
) -> dict[str, Any]:
    """Return what the form of ``endpoint`` posts, with ``routes`` in place of its own."""
    stored = endpoint.routes.count() if endpoint else 0
    data = {"name": "search", "enabled": "on", "description": "", "revision": "1"}
    if endpoint is not None:
        data |= {"name": endpoint.name, "revision": endpoint.rev}
    data |= {"routes-TOTAL_FORMS": len(routes), "routes-INITIAL_FORMS": stored}
    for number, route in enumerate(routes):
        values = {"kind": "primary", "position": 0, "api_key": "", "weight": 100, **route}
        data |= {f"routes-{number}-{name}": value for name, value in values.items()}
    return data | changes
