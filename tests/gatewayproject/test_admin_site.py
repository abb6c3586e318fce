"""The administration as a whole: who gets in, and what its pages may hold."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlencode

import pytest
from django.contrib import admin
from django.test import Client
from pytest_django.asserts import assertContains, assertNotContains, assertRedirects

from apikeys.models import ApiKey, CredentialVersion, Provider
from gatewayproject.accounts.models import AuditEvent
from tests.admin_forms import SignIn, details_of
from tests.conftest import MakeEndpoint, MakeKey

CANARY = "sk-proj-Canary00000000000000000000000000000cAnArY77"
MODELS = (
    "apikeys/provider",
    "apikeys/authscheme",
    "apikeys/apikey",
    "accounts/auditevent",
    "endpoints/endpoint",
    "endpoints/gatewaytoken",
)


def pages_about(api_key: ApiKey, endpoint_pk: int) -> Iterator[str]:
    """Every kind of page there is."""
    rows = {
        "apikeys/provider": api_key.provider.pk,
        "apikeys/authscheme": api_key.scheme_id,
        "apikeys/apikey": api_key.pk,
        "accounts/auditevent": AuditEvent.objects.first().pk,
        "endpoints/endpoint": endpoint_pk,
    }
    yield from ("/admin/", "/admin/apikeys/", "/admin/endpoints/", "/admin/auth/user/")
    for model, pk in rows.items():
        yield from (
            f"/admin/{model}/",
            f"/admin/{model}/{pk}/change/",
            f"/admin/{model}/{pk}/history/",
        )
    yield from ("/admin/apikeys/provider/add/", "/admin/apikeys/authscheme/add/")
    yield from (
        "/admin/endpoints/endpoint/add/",
        f"/admin/endpoints/endpoint/{endpoint_pk}/delete/",
    )
    yield f"/admin/apikeys/apikey/{api_key.pk}/credentials/"
    yield f"/admin/apikeys/apikey/{api_key.pk}/delete/"


@pytest.fixture
def pages(client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint) -> list[str]:
    """Every page, in a house where something was done with a secret."""
    key = make_key("canary", secrets={"api_key": CANARY[::-1]})
    endpoint = make_endpoint("search", key)
    url = f"/admin/apikeys/apikey/{key.pk}"
    client.post(f"{url}/credentials/", {"api_key": CANARY, "rev": key.rev})
    client.post(f"{url}/change/", details_of(key, team="search", revision=key.rev + 1))
    assert AuditEvent.objects.about(key).filter(act="edited").count() == 2
    return list(pages_about(key, endpoint.pk))


def test_no_page_holds_a_secret_or_a_token(client: Client, pages: list[str]) -> None:
    tokens = [v.sealed.token.decode() for v in CredentialVersion.objects.all() if v.sealed]
    assert tokens

    for url in pages:
        html = client.get(url).content.decode()
        for secret in (CANARY, CANARY[::-1], *tokens, "gAAAA"):
            assert secret not in html, url


def test_no_page_holds_a_secret_after_a_failed_post(client: Client, pages: list[str]) -> None:
    bad = {"api_key": f"{CANARY} {CANARY}", "name": "", "rev": "0", "confirmation": "no"}

    for url in pages:
        html = client.post(url, bad).content.decode()
        assert CANARY not in html, url


def test_every_page_is_kept_out_of_caches_and_has_no_inline_code(
    client: Client, pages: list[str]
) -> None:
    for url in pages:
        response = client.get(url)
        html = response.content.decode()

        assert response.status_code == 200, url
        assert "no-store" in response.headers["Cache-Control"], url
        assert "unsafe" not in response.headers["Content-Security-Policy"], url
        assert not re.search(r"<style|<script(?![^>]*\ssrc=)|\s(style|on[a-z]+)=", html), url


def test_credentials_have_no_pages_of_their_own() -> None:
    assert not admin.site.is_registered(CredentialVersion)


@pytest.mark.parametrize("model", MODELS)
def test_strange_queries_get_an_answer(client: Client, model: str) -> None:
    for query in ("q=%00", "e=1", "p=9999", "o=99.-99.x", "all=", "nonsense=1", "q=%F0%9F%94%91"):
        response = client.get(f"/admin/{model}/?{query}", follow=True)
        assert response.status_code in (200, 400), query


def test_html_in_names_is_inert(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    name = "<script>alert(1)</script>"
    key = make_key(name, team="<b>team</b>", description="<i>")
    endpoint = make_endpoint("search", key, model="<u>model</u>")

    for url in pages_about(key, endpoint.pk):
        html = client.get(url).content.decode()
        assert not re.search(r"<script>|<b>team|<u>model", html), url


def test_the_one_login_page_is_where_people_sign_in(anonymous: Client) -> None:
    for url in ("/admin/", "/admin/apikeys/apikey/?q=a&environment=staging"):
        response = anonymous.get(url, follow=True)

        path, query = response.redirect_chain[-1][0].split("?")
        assert (path, parse_qs(query)) == ("/login/", {"next": [url]})


def test_signing_in_leads_back_to_the_page_that_was_asked_for(anonymous: Client) -> None:
    wanted = "/admin/apikeys/apikey/?q=a&environment=staging"

    response = anonymous.get(f"/admin/login/?{urlencode({'next': wanted})}")

    assertRedirects(
        response, f"/login/?{urlencode({'next': wanted})}", fetch_redirect_response=False
    )


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example", "javascript:alert(1)", "\\\\evil.example", ""],
)
def test_signing_in_never_leads_to_another_site(anonymous: Client, target: str) -> None:
    response = anonymous.get(f"/admin/login/?{urlencode({'next': target})}")

    assertRedirects(response, "/login/?next=%2Fadmin%2F", fetch_redirect_response=False)


def test_staff_who_are_signed_in_go_straight_in(client: Client) -> None:
    for target in ("", "?next=/admin/login/", "?next=/login/"):
        assertRedirects(client.get(f"/admin/login/{target}"), "/admin/")


def test_people_who_are_not_staff_see_why_they_are_kept_out(sign_in: SignIn) -> None:
    visitor = sign_in("view_apikey", is_staff=False)

    for url in ("/admin/", "/admin/apikeys/apikey/"):
        response = visitor.get(url)
        assert response.status_code == 302
        login = visitor.get(response.headers["Location"])
        assertRedirects(login, "/", fetch_redirect_response=False)
    assertContains(visitor.get("/"), "Only staff accounts")
    assert visitor.post("/admin/apikeys/provider/add/", {"name": "x"}).status_code == 302
    assert not Provider.objects.filter(built_in=False).exists()


@pytest.mark.parametrize("method", ["get", "post"])
def test_passwords_are_changed_on_the_page_that_counts_wrong_ones(
    client: Client, method: str
) -> None:
    form = {"old_password": "wrong", "new_password1": "Zx81-abcdef", "new_password2": "Zx81-abcdef"}

    answer = getattr(client, method)("/admin/password_change/", form)

    assert (answer.status_code, answer.headers["Location"]) == (302, "/password/")


def test_staff_without_permissions_see_an_empty_admin(sign_in: SignIn, make_key: MakeKey) -> None:
    make_key("hidden")

    assertNotContains(sign_in().get("/admin/"), "API keys")


@pytest.mark.parametrize(
    "query",
    [
        "/admin/endpoints/gatewaytoken/?digest__startswith=6f",
        "/admin/endpoints/gatewaytoken/?digest=6f",
        "/admin/endpoints/gatewaytoken/?endpoints__tokens__digest__startswith=6f",
        "/admin/apikeys/apikey/?config__api_base__startswith=https",
        "/admin/apikeys/apikey/?current__fingerprint__startswith=6f",
        "/admin/apikeys/apikey/?current__sealed__startswith=gAAA",
        "/admin/apikeys/apikey/?versions__fingerprint__startswith=6f",
        "/admin/apikeys/authscheme/?api_keys__versions__fingerprint__startswith=6f",
        "/admin/apikeys/provider/?facts__x=6f",
        "/admin/endpoints/endpoint/?routes__api_key__current__fingerprint__startswith=6f",
        "/admin/accounts/auditevent/?fields__contains=x",
        "/admin/accounts/auditevent/?note__startswith=x",
        "/admin/apikeys/apikey/?environment__regex=(a%2B)%2B%24",
        "/admin/auth/user/?username__regex=(a%2B)%2B%24",
        "/admin/auth/user/?email__iregex=(a%2B)%2B%24",
        "/admin/auth/group/?name__regex=(a%2B)%2B%24",
        "/admin/auth/user/?password__startswith=argon2",
        "/admin/auth/group/?user__password__startswith=argon2",
    ],
)
def test_a_list_is_filtered_by_what_it_offers_and_nothing_else(client: Client, query: str) -> None:
    """Whoever may look at a list could otherwise guess a column letter by letter."""
    assert client.get(query).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "/admin/apikeys/apikey/?status=due&environment__exact=production&scheme__provider__id__exact=1",
        "/admin/apikeys/apikey/?q=x&o=1.-2&p=1",
        "/admin/apikeys/authscheme/?built_in__exact=0&ambient__exact=1",
        "/admin/apikeys/provider/?built_in__exact=1&group__exact=common",
        "/admin/endpoints/gatewaytoken/?state=active&purpose__exact=trial",
        "/admin/endpoints/endpoint/?state=active",
    ],
)
def test_every_filter_that_a_list_offers_works(client: Client, query: str) -> None:
    assert client.get(query).status_code in (200, 302)
