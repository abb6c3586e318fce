"""Requests that no browser sends: a clear answer, quickly, and nothing is changed."""

import time

import pytest
from django.test import Client

from apikeys.models import ApiKey, AuthScheme
from gatewayproject.accounts.models import AuditEvent
from tests.browsing import edited, html_of, new_key, text_of
from tests.conftest import MakeEndpoint, MakeKey, MakeToken

pytestmark = pytest.mark.django_db

FORM = "application/x-www-form-urlencoded"
CANARY = "sk-CanaryThatNoPageMayShow0123456789"


@pytest.fixture
def key(make_key: MakeKey, make_endpoint: MakeEndpoint, make_token: MakeToken) -> ApiKey:
    """A key that the endpoint ``search`` uses, for which there is a token with the number 7."""
    key = make_key("my-openai-key")
    make_token("search-service", make_endpoint("search", key), pk=7)
    return key


FORMS = ["/api-keys/new/", "/api-keys/{key}/edit/", "/api-keys/{key}/delete/",
         "/api-keys/{key}/stage/", "/api-keys/{key}/test/", "/api-keys/{key}/promote/",
         "/api-keys/{key}/roll-back/", "/api-keys/{key}/discard/", "/api-keys/{key}/destroy/",
         "/api-keys/{key}/disable/", "/api-keys/{key}/enable/",
         "/endpoints/new/", "/endpoints/search/edit/", "/endpoints/search/delete/",
         "/tokens/new/", "/tokens/7/edit/", "/tokens/7/revoke/", "/tokens/7/delete/"]  # fmt: skip
LOOKING = ["/", "/api-keys/", "/api-keys/{key}/", "/api-keys/{key}/endpoints/", "/activity/",
           "/encryption/", "/endpoints/", "/endpoints/search/", "/tokens/", "/tokens/7/",
           "/tokens/7/endpoints/"]  # fmt: skip
BODIES = [
    (b"name=%ff%fe&model=\xff\xfe&api_key=%c3%28&provider=%ed%a0%80", FORM),
    (b"\xff\xfe\xfd", FORM),
    (b"&&&===&=&%&%zz", FORM),
    (b"name=x", f"{FORM}; charset=utf-16"),
    (b"name=x", f"{FORM}; charset=nonsense"),
    (b"name=x", "multipart/form-data"),
    (b"nonsense", "multipart/form-data; boundary=x"),
    (b"--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n\xff\xfe\r\n--x--\r\n",
     "multipart/form-data; boundary=x"),
    (b'{"name": "x"}', "application/json"),
    (b"<x/>", "text/xml"),
    (b"name=x", ""),
    (b"name=x", "\xff"),
]  # fmt: skip


@pytest.mark.parametrize("path", FORMS)
def test_a_megabyte_in_a_field_is_refused_quickly(client: Client, key: ApiKey, path: str) -> None:
    for field in ("name", "api_key", "provider", "description", "rev", "seen"):
        begun = time.thread_time()

        response = client.post(path.format(key=key.pk), {field: "x" * 1024 * 1024})

        assert response.status_code == 413, field
        assert "Too much data" in text_of(response), field
        assert len(response.content) < 20_000, field
        assert time.thread_time() - begun < 1, field


@pytest.mark.parametrize(
    "field", ["name", "api_key", "api_base", "provider", "scheme", "team", "description", "next",
              "environment", "organization"],
)  # fmt: skip
def test_what_just_fits_is_a_form_error_and_quick(
    client: Client, openai: AuthScheme, field: str
) -> None:
    for number, text in enumerate(["x" * 400_000, "é" * 60_000, "<" * 100_000, "ﷺ" * 40_000]):
        typed = {"name": f"my-key-{number}", "next": "", field: text}
        form = new_key(openai, **typed)  # type: ignore[arg-type]
        body = {name: str(value) for name, value in form.items()}
        begun = time.thread_time()

        response = client.post("/api-keys/new/", body)

        assert response.status_code == (302 if field == "next" else 422), text[:1]
        assert time.thread_time() - begun < 2, text[:1]


def test_too_many_fields_are_refused(client: Client, key: ApiKey) -> None:
    for path in FORMS:
        form = {f"field{number}": "" for number in range(501)}
        response = client.post(path.format(key=key.pk), form)
        assert response.status_code == 400
        assert "<h1" in html_of(response)


@pytest.mark.parametrize("path", FORMS)
def test_a_body_that_no_browser_sends_changes_nothing(
    client: Client, key: ApiKey, path: str
) -> None:
    before = AuditEvent.objects.count()

    for body, content_type in BODIES:
        response = client.generic("POST", path.format(key=key.pk), body, content_type=content_type)

        assert response.status_code in (200, 400, 409, 422), (body, content_type)
        assert "<h1" in html_of(response), (body, content_type)
        assert AuditEvent.objects.count() == before, (body, content_type)


def test_a_strange_character_set_is_no_error_of_ours(client: Client, key: ApiKey) -> None:
    client.raise_request_exception = False

    for charset in ("idna", "punycode", "rot13", "hex", "undefined", "utf-7", "unicode_escape"):
        for content_type in (f"text/plain; charset={charset}", f"{FORM}; charset={charset}"):
            for url in ("/api-keys/?q=%ff", "/endpoints/?q=x"):
                response = client.generic("GET", url, content_type=content_type)
                assert response.status_code < 500, content_type


@pytest.mark.parametrize("path", FORMS)
def test_a_form_whose_token_is_missing_or_wrong_says_what_to_do(
    client: Client, key: ApiKey, path: str
) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    strict.get("/api-keys/new/")

    for token in ({}, {"csrfmiddlewaretoken": "x" * 64}, {"csrfmiddlewaretoken": "\0🔑"}):
        form = {**edited(key, api_key=CANARY), **token}
        response = strict.post(path.format(key=key.pk), form)
        assert response.status_code == 403
        assert "This form has expired" in text_of(response)
        assert "reload the page and try again" in text_of(response)
        assert CANARY not in html_of(response)


def test_a_form_of_another_site_is_refused(client: Client, key: ApiKey) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    page = html_of(strict.get("/api-keys/new/"))
    token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    url = f"/api-keys/{key.pk}/edit/"
    form = {**edited(key, team="Shop"), "csrfmiddlewaretoken": token}

    foreign = strict.post(url, form, headers={"Origin": "https://evil.example"})
    own = strict.post(url, form, headers={"Origin": "http://testserver"})

    assert (foreign.status_code, own.status_code) == (403, 302)


@pytest.mark.parametrize("path", [*FORMS, *LOOKING])
def test_a_method_that_a_page_does_not_have_is_refused(
    client: Client, key: ApiKey, path: str
) -> None:
    url = path.format(key=key.pk)

    for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"):
        response = client.generic(method, url)
        assert response.status_code == 405
        assert "GET" in response.headers["Allow"]
    if path in LOOKING:
        assert client.post(url, {"name": "x"}).status_code == 405


@pytest.mark.parametrize("path", [*FORMS, *LOOKING])
def test_head_responds_like_get_without_a_body(client: Client, key: ApiKey, path: str) -> None:
    url = path.format(key=key.pk)

    head, get = client.head(url), client.get(url)

    assert head.status_code == get.status_code == 200
    assert not head.content
    assert head.headers["Content-Type"] == get.headers["Content-Type"]


@pytest.mark.parametrize("path", FORMS)
def test_an_empty_form_changes_nothing(client: Client, key: ApiKey, path: str) -> None:
    before = AuditEvent.objects.count()

    for form in ({}, {"csrfmiddlewaretoken": "x"}):
        response = client.post(path.format(key=key.pk), form)
        assert response.status_code in (200, 409, 422)

    assert AuditEvent.objects.count() == before


def test_a_path_without_its_slash_leads_to_the_page(client: Client) -> None:
    assert client.get("/api-keys?q=x").headers["Location"] == "/api-keys/?q=x"
    assert client.get("/endpoints/new").headers["Location"] == "/endpoints/new/"
    assert client.get("//evil.example/api-keys").status_code in (301, 404)
    assert not client.get("//evil.example").headers.get("Location", "").startswith("//")
