"""What htmx asks for, and what it gets: whole pages, and visits instead of redirects."""

import re

import pytest
from django.conf import settings
from django.test import Client

from apikeys.models import ApiKey, AuthScheme
from tests.browsing import edited, html_of, inputs_of, new_key, text_of
from tests.conftest import MakeEndpoint, MakeKey, MakeToken

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


@pytest.fixture
def key(make_key: MakeKey, make_endpoint: MakeEndpoint, make_token: MakeToken) -> ApiKey:
    """A key that the endpoint ``search`` uses, for which there is a token with the number 7."""
    key = make_key("my-openai-key")
    make_token("search-service", make_endpoint("search", key), pk=7)
    return key


PAGES = ["/", "/api-keys/", "/api-keys/?q=my", "/api-keys/new/", "/api-keys/{key}/",
         "/api-keys/{key}/edit/", "/api-keys/{key}/delete/", "/api-keys/{key}/endpoints/",
         "/api-keys/{key}/stage/", "/api-keys/{key}/test/", "/api-keys/{key}/promote/",
         "/api-keys/{key}/roll-back/", "/api-keys/{key}/discard/", "/api-keys/{key}/destroy/",
         "/api-keys/{key}/disable/", "/api-keys/{key}/enable/", "/api-keys/{key}/move/",
         "/api-keys/selected/edit/?key={key}", "/api-keys/selected/delete/?key={key}",
         "/activity/", "/encryption/", "/endpoints/", "/endpoints/new/", "/endpoints/search/",
         "/endpoints/search/edit/", "/endpoints/search/delete/", "/tokens/", "/tokens/new/",
         "/tokens/7/", "/tokens/7/endpoints/", "/tokens/7/edit/", "/tokens/7/revoke/",
         "/tokens/7/delete/"]  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_every_url_answers_with_the_same_whole_page(client: Client, key: ApiKey, path: str) -> None:
    url = path.format(key=key.pk)

    plain, htmx = client.get(url), client.get(url, headers=HTMX)

    def steady(page: str) -> str:
        return re.sub(
            r'(name="csrfmiddlewaretoken" value|hx-headers)="[^"]*"|\d+ \w+ ago', "", page
        )

    assert html_of(htmx).rstrip().endswith("</html>")
    assert steady(html_of(htmx)) == steady(html_of(plain))


@pytest.mark.parametrize("path", PAGES)
def test_what_htmx_selects_and_asks_for_is_there(client: Client, key: ApiKey, path: str) -> None:
    """Each hx-get of a page leads to a page that has what its hx-select names."""
    page = html_of(client.get(path.format(key=key.pk)))

    for tag in re.findall(r"<\w+[^>]*\bhx-get=[^>]*>", page):
        url = re.search(r'hx-get="([^"]*)"', tag)[1]
        selected = re.search(r'hx-select="#([\w-]+)"', tag)[1]
        answer = html_of(client.get(url, headers=HTMX))
        assert answer.count(f'id="{selected}"') == 1, tag


def test_no_template_has_a_noscript() -> None:
    """htmx parses what it fetched without scripting, so a noscript becomes live markup."""
    templates = [file for folder in settings.TEMPLATES[0]["DIRS"] for file in folder.rglob("*.*")]

    assert len(templates) > 50
    assert [file.name for file in templates if "<noscript" in file.read_text()] == []


def test_success_is_a_visit_that_shows_its_message(client: Client, openai: AuthScheme) -> None:
    response = client.post("/api-keys/new/", new_key(openai), headers=HTMX)

    assert response.status_code == 200
    assert response.headers["HX-Redirect"] == "/api-keys/"
    assert "Location" not in response.headers
    assert "messages" in response.cookies
    assert "Created my-openai-key." in text_of(client.get("/api-keys/"))


def test_without_the_header_success_is_a_redirect(client: Client, openai: AuthScheme) -> None:
    response = client.post("/api-keys/new/", new_key(openai))

    assert response.status_code == 302
    assert "HX-Redirect" not in response.headers


def test_an_invalid_form_is_shown_again_with_its_panel(client: Client, openai: AuthScheme) -> None:
    response = client.post("/api-keys/new/", new_key(openai, ""), headers=HTMX)

    assert response.status_code == 422
    assert html_of(response).count('id="panel"') == 1


@pytest.mark.parametrize("path", [path for path in PAGES if path != "/"])
def test_after_the_session_expired_signing_in_returns_to_a_whole_page(
    client: Client, anonymous: Client, key: ApiKey, path: str
) -> None:
    url = path.format(key=key.pk)

    for method in (anonymous.get, anonymous.post):
        response = method(url, headers=HTMX)
        assert response.status_code == 200
        assert response.headers["HX-Redirect"].startswith("/login/?next=/")
        assert not response.content
        login = anonymous.get(response.headers["HX-Redirect"])
        back = re.search(r'name="next" value="([^"]*)"', html_of(login))[1]
        assert client.get(back.replace("&amp;", "&")).status_code == 200


def test_the_message_of_an_edit_survives_the_visit(client: Client, key: ApiKey) -> None:
    url = f"/api-keys/{key.pk}/edit/"

    response = client.post(url, edited(key, team="Shop"), headers=HTMX)

    assert response.headers["HX-Redirect"] == f"/api-keys/{key.pk}/"
    assert "Saved my-openai-key." in text_of(client.get(f"/api-keys/{key.pk}/"))


def test_not_found_and_not_allowed_are_reported_to_htmx_too(
    client: Client, visitor: Client, key: ApiKey
) -> None:
    assert client.get("/api-keys/nonsense/", headers=HTMX).status_code == 404
    assert visitor.get(f"/api-keys/{key.pk}/edit/", headers=HTMX).status_code == 403


def test_a_conflict_comes_back_with_its_panel(client: Client, key: ApiKey) -> None:
    url = f"/api-keys/{key.pk}/delete/"
    old = inputs_of(client.get(url))

    response = client.post(url, {**old, "seen": "0" * 16}, headers=HTMX)

    assert response.status_code == 409
    assert html_of(response).count('id="panel"') == 1
