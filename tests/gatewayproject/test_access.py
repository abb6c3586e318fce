"""Who may look, and who may change."""

import re
from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver

from apikeys.blast_radius import blast_radius_of
from apikeys.models import ApiKey, AuthScheme
from apikeys.urls import urlpatterns as api_key_urls
from endpoints.models import Endpoint, GatewayToken
from endpoints.services import digest_of_details
from endpoints.urls import urlpatterns as endpoint_urls
from gatewayproject.accounts.urls import urlpatterns as account_urls
from tests.browsing import edited, html_of, inputs_of, new_key
from tests.conftest import MakeEndpoint, MakeKey, MakeToken
from tests.route_forms import routes, row

pytestmark = pytest.mark.django_db

LOOKING = ["", "api-keys/", "api-keys/{key}/", "api-keys/{key}/endpoints/", "activity/",
           "endpoints/", "endpoints/search/", "tokens/", "tokens/7/",
           "tokens/7/endpoints/"]  # fmt: skip
CHANGING = ["api-keys/new/", "api-keys/{key}/edit/", "api-keys/{key}/delete/",
            "api-keys/{key}/move/",
            "api-keys/{key}/stage/", "api-keys/{key}/test/", "api-keys/{key}/promote/",
            "api-keys/{key}/roll-back/", "api-keys/{key}/discard/", "api-keys/{key}/destroy/",
            "api-keys/{key}/disable/", "api-keys/{key}/enable/",
            "api-keys/selected/disable/", "api-keys/selected/enable/", "api-keys/selected/edit/",
            "api-keys/selected/delete/",
            "endpoints/new/", "endpoints/search/edit/", "endpoints/search/delete/",
            "tokens/new/", "tokens/7/edit/", "tokens/7/revoke/", "tokens/7/delete/"]  # fmt: skip

CHANGES = re.compile(
    r"/(new|edit|move|revoke|delete|stage|test|promote|roll-back|discard|destroy|disable|enable)/|/admin/"
)


TRYING = ["endpoints/search/try/"]  # tests/endpoints/pages/test_client_examples.py tells for whom
EXPORTING = ["api-keys/export/"]  # tests/apikeys/pages/test_export.py tells for whom
OPERATING = ["encryption/"]  # tests/apikeys/pages/test_encryption.py tells for whom


@pytest.fixture
def key(make_key: MakeKey, make_endpoint: MakeEndpoint, make_token: MakeToken) -> ApiKey:
    """A key that the endpoint ``search`` uses, for which there is a token with the number 7."""
    key = make_key("my-openai-key")
    make_token("search-service", make_endpoint("search", key), pk=7)
    return key


def paths(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    for pattern in patterns:
        path = str(pattern.pattern).replace("<uuid:pk>", "{key}").replace("<str:name>", "search")
        path = path.replace("<int:pk>", "7")
        assert "<" not in path
        yield path


def test_these_tests_know_every_page() -> None:
    known = {*paths(account_urls), *paths(api_key_urls), *paths(endpoint_urls)}

    assert known == {*LOOKING, *CHANGING, *TRYING, *EXPORTING, *OPERATING} - {""}


@pytest.mark.parametrize("path", [*LOOKING, *CHANGING, *TRYING, *OPERATING])
@pytest.mark.parametrize("there", [True, False])
def test_an_anonymous_user_is_asked_to_sign_in_and_sees_nothing(
    anonymous: Client, key: ApiKey, path: str, there: bool
) -> None:
    url = "/" + path.format(key=key.pk if there else uuid4())

    for method in (anonymous.get, anonymous.post, anonymous.head, anonymous.put, anonymous.delete):
        response = method(url)
        assert response.status_code == 302
        assert response.headers["Location"] == f"/login/?next={url}"
        assert not response.content


@pytest.mark.parametrize("path", LOOKING)
def test_anybody_who_is_signed_in_may_look_and_sees_no_button(
    visitor: Client, key: ApiKey, path: str
) -> None:
    response = visitor.get("/" + path.format(key=key.pk))

    assert response.status_code == 200
    links = re.findall(r'(?:href|hx-get|action)="([^"]*)"', html_of(response))
    assert not [link for link in links if CHANGES.search(link)]


def test_an_empty_installation_offers_nothing_to_a_user_who_may_only_look(visitor: Client) -> None:
    for url in ("/", "/api-keys/", "/endpoints/", "/tokens/"):
        page = html_of(visitor.get(url))
        assert "Create API Key" not in page
        assert "Create token" not in page
        assert "Create your first" not in page
        assert "/new/" not in page


@pytest.mark.parametrize("path", CHANGING)
def test_no_change_is_possible_without_permission(
    visitor: Client, key: ApiKey, path: str, openai: AuthScheme
) -> None:
    url = "/" + path.format(key=key.pk)
    radius = blast_radius_of(key).digest()
    seen = digest_of_details(GatewayToken.objects.get())
    forms = [
        {},
        new_key(openai, "mine"),
        edited(key, name="renamed"),
        {"seen": radius, "confirmation": key.name},
        {"rev": 1, "confirmation": "search"},
        {"name": "renamed", **routes(row(0, key.name, "x")), "rev": 1},
        {"choose": "1"},
        {"create_key": "1"},
        {"name": "renamed", "all_endpoints": "on", "seen": seen},
        {"confirmed": "True"},
        {"rev": 1, "slot": "current", "seen": radius, "confirmation": key.name},
    ]

    assert visitor.get(url).status_code == 403
    for form in forms:
        assert visitor.post(url, form).status_code == 403, form
    stored = ApiKey.objects.get()
    assert (stored.name, stored.enabled, stored.rev) == ("my-openai-key", True, 1)
    assert Endpoint.objects.get().name == "search"
    token = GatewayToken.objects.get()
    assert (token.name, token.state()) == ("search-service", "active")
    assert "Key managers" in html_of(visitor.get(url))


@pytest.mark.parametrize("path", CHANGING)
def test_a_member_of_key_managers_may_change(member: Client, key: ApiKey, path: str) -> None:
    url = "/" + path.format(key=key.pk)
    assert member.get(url, {"key": key.pk}).status_code == 200  # for what acts on selected keys


def test_a_member_of_key_managers_does_it_all(member: Client, openai: AuthScheme) -> None:
    member.post("/api-keys/new/", new_key(openai, "mine"))
    key = ApiKey.objects.get()
    member.post(f"/api-keys/{key.pk}/edit/", edited(key, name="ours"))
    member.post("/endpoints/new/", {"name": "search", **routes(row(0, "ours", "x"))})
    member.post(
        "/endpoints/search/edit/", {"name": "find", **routes(row(0, "ours", "x")), "rev": 1}
    )
    member.post("/tokens/new/", {"name": "app", "endpoints": "find"})
    token = f"/tokens/{GatewayToken.objects.get().pk}/"
    seen = inputs_of(member.get(f"{token}edit/"))["seen"]
    member.post(f"{token}edit/", {"name": "shop", "all_endpoints": "on", "seen": seen})
    for act in ("revoke", "delete"):
        member.post(f"{token}{act}/", inputs_of(member.get(f"{token}{act}/")))
    member.post("/endpoints/find/delete/", inputs_of(member.get("/endpoints/find/delete/")))
    url = f"/api-keys/{key.pk}/delete/"
    member.post(url, inputs_of(member.get(url)))

    page = html_of(member.get("/activity/"))
    assert not ApiKey.objects.exists()
    assert not Endpoint.objects.exists()
    assert not GatewayToken.objects.exists()
    assert page.count("<strong><bdi>mia</bdi></strong>") == 10


@pytest.mark.parametrize("path", ["admin/", "admin/apikeys/apikey/", "admin/auth/user/add/"])
def test_people_who_are_no_staff_stay_out_of_the_administration(
    visitor: Client, member: Client, path: str
) -> None:
    for client in (visitor, member):
        response = client.get(f"/{path}")
        assert response.status_code in (302, 403)
        assert "Administration" not in html_of(client.get("/"))


def test_an_account_that_was_switched_off_is_out_at_once(member: Client) -> None:
    User.objects.update(is_active=False)

    assert member.get("/api-keys/").status_code == 302
