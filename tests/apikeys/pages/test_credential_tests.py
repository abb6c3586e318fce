"""The Test button of the forms: what was typed is tried out, and nothing is saved."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings
from pytest_django.asserts import assertNotContains

from apikeys import credential_tests
from apikeys.credential_tests import ProbeResult
from apikeys.models import ApiKey, AuthScheme, CredentialVersion, Verdict
from apikeys.sealing import Sealed, Secrets
from apikeys.views import test_credentials
from gatewayproject.accounts.models import AuditEvent
from tests.browsing import edited, errors_in, html_of, inputs_of, new_key, opened, text_of
from tests.conftest import MakeKey
from tests.fakes import OPENAI_KEY

pytestmark = pytest.mark.django_db

CANARY = "sk-CanaryThatNoPageMayShow0123456789"
TEST = {"test": "1"}
HTMX = {"HX-Request": "true"}


class FakeTester:
    """Finds what a test sets, and remembers its calls."""

    def __init__(self) -> None:
        self.finds = ProbeResult(Verdict.WORKS, "OpenAI accepts this key.")
        self.asked: list[dict[str, Any]] = []

    def test(self, api_key: ApiKey, secrets: Secrets) -> ProbeResult:
        self.asked.append({**api_key.config, **secrets})
        return self.finds


@pytest.fixture
def tester(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTester]:
    """In place of the one that calls providers; accounts need not take turns."""
    tester = FakeTester()
    monkeypatch.setattr(credential_tests, "_registered", tester)
    monkeypatch.setattr(test_credentials, "PAUSE", 0)
    yield tester
    cache.clear()


@pytest.fixture
def key(make_key: MakeKey) -> ApiKey:
    return make_key("my-openai-key", team="Shop", organization="org-Acme")


def result_in(page: Any) -> str:
    """Return what the live region says."""
    html = html_of(page)
    assert html.count('id="test-result" role="status"') == 1
    region = html[html.index('id="test-result"') : html.index('<button class="button primary"')]
    return text_of(region.partition(">")[2].partition('<p class="alert')[0])


# --- Create --------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_what_was_typed_is_tested_and_nothing_is_saved(
    client: Client, openai: AuthScheme, tester: FakeTester, headers: dict[str, str]
) -> None:
    form = new_key(openai, team="Shop", api_key=f" {CANARY} ", organization="org-Acme")

    response = client.post("/api-keys/new/", form | TEST, headers=headers)

    assert response.status_code == 200
    assert result_in(response) == "OpenAI accepts this key."
    (asked,) = tester.asked
    assert asked["api_key"] == CANARY
    assert asked["organization"] == "org-Acme"
    assert not ApiKey.objects.exists()
    assert not AuditEvent.objects.exists()


def test_everything_typed_stays_on_the_page_except_the_credentials(
    client: Client, openai: AuthScheme, tester: FakeTester
) -> None:
    form = new_key(openai, team="Shop", api_key=CANARY, organization="org-Acme", next="/x/")

    response = client.post("/api-keys/new/", form | TEST)

    kept = inputs_of(response)
    assert {name: kept[name] for name in ("name", "team", "organization", "next")} == {
        "name": "my-openai-key",
        "team": "Shop",
        "organization": "org-Acme",
        "next": "/x/",
    }
    assert kept["api_key"] == ""
    assertNotContains(response, CANARY)


def test_the_whole_page_asks_to_enter_the_credentials_again(
    client: Client, openai: AuthScheme, tester: FakeTester
) -> None:
    page = html_of(client.post("/api-keys/new/", new_key(openai) | TEST))

    request = "Enter the credentials again before you save."
    assert request in page
    live_region = re.search(r'<div id="test-result".*?\n</div>', page, re.DOTALL)
    assert request not in live_region[0]  # which is all that htmx takes


def test_a_form_that_was_not_tested_says_nothing_of_tests(
    client: Client, openai: AuthScheme
) -> None:
    assert result_in(client.get("/api-keys/new/?provider=openai")) == ""


@pytest.mark.parametrize(
    ("outcome", "tone", "icon"),
    [
        (Verdict.WORKS, "success", "check"),
        (Verdict.REFUSED, "error", "circle-alert"),
        (Verdict.UNCHECKABLE, "info", "info"),
        (Verdict.LIMITED, "warning", "triangle-alert"),
        (Verdict.NO_CREDIT, "warning", "triangle-alert"),
        (Verdict.RATE_LIMITED, "warning", "triangle-alert"),
        (Verdict.UNREACHABLE, "warning", "triangle-alert"),
        (Verdict.UNCLEAR, "warning", "triangle-alert"),
    ],
)
def test_each_outcome_has_its_tone_and_its_icon(
    client: Client, openai: AuthScheme, tester: FakeTester, outcome: str, tone: str, icon: str
) -> None:
    tester.finds = ProbeResult(outcome, "So it is.")

    page = html_of(client.post("/api-keys/new/", new_key(openai) | TEST))

    region = page[page.index('id="test-result"') :]
    assert f'class="alert {tone}"' in region[:150]
    assert f"icons.svg#{icon}" in region[:250]


def test_a_name_is_not_needed_for_a_test(
    client: Client, openai: AuthScheme, tester: FakeTester, key: ApiKey
) -> None:
    for name in ("", "my-openai-key", "x" * 99):
        response = client.post("/api-keys/new/", new_key(openai, name, environment="?") | TEST)

        assert response.status_code == 200
        assert errors_in(response) == {}


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"api_key": ""}, "api_key", "API key: Enter the API key."),
        ({"api_key": f"{CANARY} x"}, "api_key", "API key: "),
        ({"api_base": "https://169.254.169.254/v1"}, "api_base", "is on a private network"),
        ({"api_base": "https://intranet/v1"}, "api_base", "is on a private network"),
        ({"api_base": "http://example.com/v1"}, "api_base", "others could read the key"),
        ({"api_base": "nonsense"}, "api_base", "API base URL: "),
    ],
)
def test_what_cannot_be_saved_is_not_tested_either(
    client: Client,
    openai: AuthScheme,
    tester: FakeTester,
    changes: dict[str, str],
    field: str,
    says: str,
) -> None:
    response = client.post("/api-keys/new/", new_key(openai, "", **changes) | TEST)

    assert response.status_code == 422
    assert set(errors_in(response)) == {field}
    assert result_in(response).startswith("Not tested yet.")
    assert says in result_in(response)
    assert tester.asked == []
    assertNotContains(response, "Canary", status_code=422)


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({}, "Choose a provider."),
        ({"provider": "Nobody", "scheme": "api_key"}, "Not tested yet."),
        ({"provider": "OpenAI", "scheme": "none"}, "Not tested yet."),
        ({"provider": "\0", "scheme": "\0"}, "Not tested yet."),
    ],
)
def test_without_a_provider_there_is_nothing_to_test(
    client: Client, tester: FakeTester, form: dict[str, str], says: str
) -> None:
    response = client.post("/api-keys/new/", form | TEST | {"api_key": CANARY})

    assert response.status_code == 422
    assert says in result_in(response)
    assert tester.asked == []
    assertNotContains(response, CANARY, status_code=422)


def test_a_key_without_credentials_can_be_tested_too(client: Client, tester: FakeTester) -> None:
    scheme = AuthScheme.objects.get(provider__slug="bedrock", slug="default_chain")

    response = client.post("/api-keys/new/", new_key(scheme) | TEST)

    assert tester.asked == [{"aws_region_name": "us-east-1"}]
    assertNotContains(response, "Enter the credentials again")


# --- Edit ----------------------------------------------------------------------------------------


def test_what_is_left_empty_is_tested_as_it_is_stored(
    client: Client, key: ApiKey, tester: FakeTester
) -> None:
    form = edited(key, name="Another name", organization="org-Other")

    response = client.post(f"/api-keys/{key.pk}/edit/", form | TEST)

    assert response.status_code == 200
    (asked,) = tester.asked
    assert (asked["api_key"], asked["organization"]) == (OPENAI_KEY, "org-Other")
    assertNotContains(response, OPENAI_KEY)
    assertNotContains(response, "Enter the credentials again")
    assert inputs_of(response)["name"] == "Another name"
    assert (ApiKey.objects.get().rev, AuditEvent.objects.count()) == (key.rev, 1)


def test_what_is_typed_is_tested_in_place_of_what_is_stored(
    client: Client, key: ApiKey, tester: FakeTester
) -> None:
    response = client.post(f"/api-keys/{key.pk}/edit/", edited(key, api_key=CANARY) | TEST)

    assert tester.asked[0]["api_key"] == CANARY
    assert opened(key) == {"api_key": OPENAI_KEY}
    assertNotContains(response, CANARY)


def test_typed_and_stored_parts_are_tested_together(
    client: Client, make_key: MakeKey, tester: FakeTester
) -> None:
    key = make_key("aws", "bedrock", "access_keys")
    before = opened(key)

    form = edited(key, aws_secret_access_key="n" * 40, aws_session_token="t" * 40)
    client.post(f"/api-keys/{key.pk}/edit/", form | TEST)

    typed = {"aws_secret_access_key": "n" * 40, "aws_session_token": "t" * 40}
    assert tester.asked == [{**key.config, **before, **typed}]


def test_a_part_to_be_removed_is_left_out_of_the_test(
    client: Client, make_key: MakeKey, tester: FakeTester
) -> None:
    secrets = {"api_key": CANARY, "extra_headers": "X-Team: search"}
    key = make_key("vllm", "openai_compatible", "api_key", secrets=secrets)

    form = edited(key, remove_extra_headers="on")
    client.post(f"/api-keys/{key.pk}/edit/", form | TEST)

    assert tester.asked == [{**key.config, "api_key": CANARY}]


def test_what_is_stored_is_not_tested_anywhere_else(
    client: Client, key: ApiKey, tester: FakeTester
) -> None:
    form = edited(key, api_base="https://elsewhere.example.com/v1")

    response = client.post(f"/api-keys/{key.pk}/edit/", form | TEST)

    assert response.status_code == 422
    assert "Enter the API key again" in result_in(response)
    assert tester.asked == []


def test_an_optional_part_that_is_stored_is_not_tested_anywhere_else(
    client: Client, make_key: MakeKey, tester: FakeTester
) -> None:
    secrets = {"api_key": OPENAI_KEY, "extra_headers": f"X-Team: {CANARY}"}
    key = make_key("vllm", "openai_compatible", "api_key", secrets=secrets)

    form = edited(key, api_base="https://elsewhere.example.com/v1")
    client.post(f"/api-keys/{key.pk}/edit/", form | TEST)

    assert tester.asked == [{"api_base": "https://elsewhere.example.com/v1"}]


def test_a_row_that_was_tampered_with_opens_for_no_test(
    client: Client, key: ApiKey, tester: FakeTester
) -> None:
    elsewhere = {"api_base": "https://evil.example.com/v1"}
    ApiKey.objects.filter(pk=key.pk).update(config=elsewhere)

    response = client.post(f"/api-keys/{key.pk}/edit/", edited(key, **elsewhere) | TEST)

    assert "not encrypted for https://evil.example.com:443" in result_in(response)
    assert tester.asked == []


def test_what_does_not_open_is_replaced_before_it_is_tested(
    client: Client, key: ApiKey, tester: FakeTester
) -> None:
    CredentialVersion.objects.update(sealed=Sealed(b"gAAAAABmade-up"))
    url = f"/api-keys/{key.pk}/edit/"

    response = client.post(url, edited(key) | TEST)
    client.post(url, edited(key, api_key=CANARY) | TEST)

    assert "No configured master key decrypts" in result_in(response)
    assert [asked["api_key"] for asked in tester.asked] == [CANARY]


# --- Who may, and how often ----------------------------------------------------------------------


def test_only_those_who_may_save_may_test(visitor: Client, key: ApiKey, tester: FakeTester) -> None:
    for path in ("new", f"{key.pk}/edit"):
        assert visitor.post(f"/api-keys/{path}/", edited(key) | TEST).status_code == 403
    assert tester.asked == []


def test_anonymous_users_are_redirected_to_sign_in(
    anonymous: Client, key: ApiKey, tester: FakeTester
) -> None:
    for path in ("new", f"{key.pk}/edit"):
        response = anonymous.post(f"/api-keys/{path}/", edited(key) | TEST)
        assert response.headers["Location"].startswith("/login/")
    assert tester.asked == []


def test_one_account_waits_between_tests_and_another_does_not(
    client: Client,
    member: Client,
    openai: AuthScheme,
    tester: FakeTester,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(test_credentials, "PAUSE", 60)
    form = new_key(openai) | TEST

    first, second = (client.post("/api-keys/new/", form) for _ in range(2))
    other = member.post("/api-keys/new/", form)

    assert [page.status_code for page in (first, second, other)] == [200, 409, 200]
    assert "Please wait 2 seconds" in result_in(second)
    assert len(tester.asked) == 2


def test_after_an_internal_error_another_test_is_allowed(
    client: Client, openai: AuthScheme, tester: FakeTester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*args: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(tester, "test", break_down)
    client.raise_request_exception = False

    assert client.post("/api-keys/new/", new_key(openai) | TEST).status_code == 500
    monkeypatch.undo()
    monkeypatch.setattr(credential_tests, "_registered", tester)
    assert client.post("/api-keys/new/", new_key(openai) | TEST).status_code == 200


# --- With the tester that is installed ----------------------------------------------------------


def test_a_loopback_address_is_reached_only_where_an_operator_allowed_it(
    client: Client, openai: AuthScheme, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_credentials, "PAUSE", 0)
    form = new_key(openai, api_base="http://127.0.0.1:1/v1") | TEST

    refused = client.post("/api-keys/new/", form)
    settings.ALLOWED_PRIVATE_ORIGINS = ["http://127.0.0.1:1"]
    allowed = client.post("/api-keys/new/", form)

    assert "is on a private network" in result_in(refused)
    assert "Could not reach 127.0.0.1: connection refused." in result_in(allowed)
