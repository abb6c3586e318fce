"""Whatever people write is shown as they wrote it, and does nothing."""

import re
from html import unescape

import pytest
from django.test import Client
from django.utils.html import escape

from apikeys.models import ApiKey, AuthScheme, Provider
from endpoints.models import GatewayToken
from tests import route_forms
from tests.browsing import edited, errors_in, html_of, inputs_of, messages_after, new_key
from tests.conftest import MakeEndpoint, MakeKey

pytestmark = pytest.mark.django_db

TEXTS = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "\" onfocus=alert(1) autofocus x='",
    "{{ settings.SECRET_KEY }}{% debug %}",
    "' OR 1=1 --",
    "&lt;b&gt; &amp;amp; &#60;",
    "ключ مفتاح 钥匙 🔑👩‍👩‍👧",
    "x" * 80,
    "</title></textarea></option></bdi>",
    "${7*7}#{7*7}<%= 7*7 %>",
]

TOKEN_PAGES = ("", "endpoints/", "edit/", "revoke/", "delete/")


def pages_about(key: ApiKey) -> list[str]:
    return [
        "/", "/api-keys/", f"/api-keys/{key.pk}/", f"/api-keys/{key.pk}/edit/",
        f"/api-keys/{key.pk}/delete/", f"/api-keys/{key.pk}/endpoints/",
        f"/api-keys/{key.pk}/stage/", f"/api-keys/{key.pk}/promote/",
        f"/api-keys/{key.pk}/disable/",
        "/endpoints/", "/endpoints/search/", "/endpoints/search/edit/", "/activity/",
    ]  # fmt: skip


def assert_inert(page: str, text: str, where: str) -> None:
    assert escape(text) in page, where
    if escape(text) != text:
        assert text not in page, where
    assert "alert(1)>" not in page, where
    assert not re.search(r"<script(?![^>]*\bsrc=)|<img src=x", page), where


@pytest.mark.parametrize("text", TEXTS)
def test_names_teams_and_descriptions_are_text_everywhere(
    client: Client, openai: AuthScheme, text: str
) -> None:
    response = client.post("/api-keys/new/", new_key(openai, text, team=text, description=text))
    key = ApiKey.objects.get()
    endpoint = route_forms.form(route_forms.row(0, text, text), description=text)
    assert client.post("/endpoints/new/", endpoint).status_code == 302

    assert f"Created {text}." in messages_after(client, response)
    assert (key.name, key.team, key.description) == (text, text, text)
    for url in pages_about(key):
        assert_inert(html_of(client.get(url)), text, url)


@pytest.mark.parametrize("text", TEXTS)
def test_the_name_of_a_token_is_text_everywhere(client: Client, text: str) -> None:
    created = client.post("/tokens/new/", {"name": text, "all_endpoints": "on"})
    token = f"/tokens/{GatewayToken.objects.get().pk}/"

    assert created.status_code == 201
    assert_inert(html_of(created), text, "created")
    for url in ("/tokens/", "/activity/", *(token + part for part in TOKEN_PAGES)):
        assert_inert(html_of(client.get(url)), text, url)
    revoked = client.post(f"{token}revoke/", {"confirmed": "True"})
    assert messages_after(client, revoked) == [f"Revoked {text}."]


@pytest.mark.parametrize("text", TEXTS)
def test_input_is_shown_as_text_after_an_error(
    client: Client, openai: AuthScheme, make_key: MakeKey, text: str
) -> None:
    key = make_key()
    for url, form in (
        ("/api-keys/new/", new_key(openai, text, team=text, api_base=text, environment="x")),
        ("/api-keys/new/", {"name": text, "provider": text, "next": text}),
        (f"/api-keys/{key.pk}/edit/", edited(key, name=text, api_base=text, environment="x")),
        ("/endpoints/new/", route_forms.form(route_forms.row(0, text, text), name=text)),
        ("/tokens/new/", {"name": text, "expires_on": text, "expires_at": "date"}),
    ):
        response = client.post(url, form)

        assert response.status_code == 422
        assert inputs_of(response)["name"].strip() == text.strip()
        assert_inert(html_of(response), text, url)


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_in_the_url_is_text(client: Client, make_key: MakeKey, text: str) -> None:
    key = make_key()
    for url in ("/api-keys/", "/endpoints/", "/tokens/", "/tokens/new/", "/activity/"):
        for parameter in ("q", "sort", "provider", "state", "page", "endpoints", text):
            page = html_of(client.get(url, {parameter: text, "q": text}))
            assert "<script>alert" not in page
            assert "<img src=x" not in page
            assert '" onfocus' not in page
    for parameter in ("name", "provider", "scheme", "team", "description", "next", "environment"):
        page = html_of(client.get("/api-keys/new/", {"provider": "openai", parameter: text}))
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert '" onfocus' not in page
    assert "<script>alert" not in html_of(
        client.get(f"/api-keys/{key.pk}/delete/", {"replacement": text})
    )


HIDDEN = {
    "a\0b": "NUL",
    "a\nb": "line feed",
    "a\r\nb": "carriage return",
    "a\u202eb": "turns text around",
    "a\u2067b": "isolates text",
    "a\u200bb": "zero width",
    "a\ufeffb": "byte order mark",
    "a\u00adb": "soft hyphen",
    "a\x1bb": "escape",
    "a\x7fb": "delete",
    "a\u2028b": "line separator",
    "a\U000e0041b": "tag",
}


@pytest.mark.parametrize("text", HIDDEN, ids=HIDDEN.values())
@pytest.mark.parametrize("field", ["name", "team"])
def test_what_hides_in_a_line_is_refused_with_a_reason(
    client: Client, openai: AuthScheme, text: str, field: str
) -> None:
    response = client.post("/api-keys/new/", new_key(openai, **{"name": "x", field: text}))  # type: ignore[arg-type]

    assert response.status_code == 422
    assert set(errors_in(response)) == {field}
    assert "not allowed" in errors_in(response)[field]
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("text", [text for text in HIDDEN if "\n" not in text])
def test_what_hides_in_a_description_is_refused_with_a_reason(
    client: Client, openai: AuthScheme, text: str
) -> None:
    response = client.post("/api-keys/new/", new_key(openai, description=text))

    assert response.status_code == 422
    assert "not allowed" in errors_in(response)["description"]


def test_a_description_has_as_many_lines_as_were_written(
    client: Client, openai: AuthScheme
) -> None:
    client.post("/api-keys/new/", new_key(openai, description="one\r\n\ttwo"))

    assert ApiKey.objects.get().description == "one\r\n\ttwo"


def test_names_of_an_operators_own_provider_are_text_too(
    client: Client, make_endpoint: MakeEndpoint
) -> None:
    name = "</option><script>alert(1)</script>\"'{{ x }}"
    provider = Provider.objects.create(slug="own", name=name, aliases=["<i>alias</i>"], position=0)
    scheme = provider.schemes.create(
        slug="api_key",
        name="<b>method</b>",
        fields=[
            {
                "name": "token",
                "label": "<u>label</u>",
                "secret": True,
                "required": True,
                "help": "<s>help</s>",
                "placeholder": '"><s>',
            }
        ],
        transport={"base_url": "https://own.example.com"},
    )
    provider.schemes.create(slug="other", name="<b>other</b>", transport=scheme.transport)

    page = html_of(client.get("/api-keys/new/?provider=own"))
    client.post("/api-keys/new/", new_key(scheme, "mine"))
    make_endpoint("search", ApiKey.objects.get())

    assert inputs_of(client.get("/api-keys/new/?provider=own"))["provider"] == name
    for url in pages_about(ApiKey.objects.get()):
        page += html_of(client.get(url))
    for tag in ("<script>alert", "<b>", "<i>", "<u>", '"><s>', "<s>help"):
        assert tag not in page
    assert unescape(page).count(name) > 8


@pytest.mark.parametrize(
    "url",
    [
        *("/api-keys/new/?provider=openai", "/api-keys/{key}/edit/"),
        *("/endpoints/new/", "/endpoints/search/edit/", "/tokens/new/"),
    ],
)
def test_no_browser_cuts_what_is_pasted_into_a_form(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint, url: str
) -> None:
    """A limit is an error that says so: a name that was cut unseen is another name."""
    key = make_key()
    make_endpoint("search", key)

    html = html_of(client.get(url.format(key=key.pk)))

    inputs = re.findall(r"<(?:input|textarea)[^>]*>", html[html.index('id="panel"') :])
    entered = [tag for tag in inputs if " list=" not in tag]  # the others choose what there is
    assert entered
    assert [tag for tag in entered if "maxlength" in tag] == []
