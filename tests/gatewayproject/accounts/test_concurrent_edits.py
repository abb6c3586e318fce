"""Two or three people edit one thing: changes are merged, or shown side by side."""

import re
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from apikeys import services as key_services
from apikeys.models import ApiKey
from apikeys.services import disable_api_key
from endpoints import services as endpoint_services
from endpoints.models import Endpoint, GatewayToken, Route
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from tests.browsing import errors_in, html_of, inputs_of, messages_after, opened, text_of
from tests.conftest import MakeEndpoint, MakeKey, MakeToken
from tests.fakes import OPENAI_KEY
from tests.route_forms import routes, row

pytestmark = pytest.mark.django_db

TYPED = "sk-CanaryOfTheSecondEditor0123456789"

_TEXTAREA = re.compile(r'<textarea name="(\w+)"[^>]*>\n?(.*?)</textarea>', re.DOTALL)
_SELECT = re.compile(r'<select name="(\w+)".*?<option value="([^"]*)" selected', re.DOTALL)
_HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')
_BOX = re.compile(r'<input type="(?:checkbox|radio)" name="([\w-]+)"([^>]*)>')


def form_of(response: HttpResponse) -> dict[str, Any]:
    """Return what a browser would post of the form on the page, untouched."""
    html = html_of(response)
    found: dict[str, Any] = inputs_of(response)
    for name, attributes in _BOX.findall(html):
        value = re.search(r'value="([^"]*)"', attributes)
        if found.get(name) in ("", value and value[1]):
            found.pop(name, None)
        if "checked" in attributes:
            boxed = value[1] if value else "on"
            found[name] = f"{found[name]}, {boxed}" if name in found else boxed
    for name, text in _HIDDEN.findall(html):  # what a choice carries may have several values
        if name == "endpoints" and text not in found.get(name, ""):
            found[name] = f"{found[name]}, {text}"
    return found | dict(_TEXTAREA.findall(html)) | dict(_SELECT.findall(html))


def opened_form(client: Client, url: str) -> dict[str, Any]:
    return form_of(client.get(url))


# --- API keys ------------------------------------------------------------------------------------


@pytest.fixture
def key(make_key: MakeKey) -> ApiKey:
    return make_key("my-openai-key", team="Shop", description="Ours")


@pytest.fixture
def url(key: ApiKey) -> str:
    return f"/api-keys/{key.pk}/edit/"


def test_changes_of_different_fields_are_both_saved(
    client: Client, member: Client, key: ApiKey, url: str
) -> None:
    mine = opened_form(member, url)
    client.post(url, opened_form(client, url) | {"team": "Search"})

    response = member.post(url, mine | {"description": "Mine"})

    assert messages_after(member, response) == [
        "Saved my-openai-key.",
        "kim changed Team while you were editing. Your changes and theirs were saved.",
    ]
    stored = ApiKey.objects.get()
    assert (stored.team, stored.description) == ("Search", "Mine")
    assert AuditEvent.objects.about(key).first().fields == ["description"]


def test_changes_of_one_field_are_shown_side_by_side(
    client: Client, member: Client, key: ApiKey, url: str
) -> None:
    mine = opened_form(member, url)
    client.post(url, opened_form(client, url) | {"team": "Theirs", "environment": "staging"})

    response = member.post(url, mine | {"team": "Mine"})

    assert response.status_code == 409
    page = text_of(response)
    assert "kim changed Environment and Team while you were editing. Nothing is saved yet." in page
    assert "kim changed it to Theirs You entered Mine" in page
    assert errors_in(response) == {"team": "Choose which to keep."}
    assert form_of(response)["environment"] == "staging"
    assert ApiKey.objects.get().team == "Theirs"


@pytest.mark.parametrize(("choice", "team"), [("mine", "Mine"), ("theirs", "Theirs")])
def test_the_chosen_value_is_saved(
    client: Client, member: Client, key: ApiKey, url: str, choice: str, team: str
) -> None:
    mine = opened_form(member, url)
    client.post(url, opened_form(client, url) | {"team": "Theirs"})
    review = form_of(member.post(url, mine | {"team": "Mine", "description": "Mine too"}))

    response = member.post(url, review | {"choice-team": choice})

    assert response.status_code == 302
    stored = ApiKey.objects.get()
    assert (stored.team, stored.description) == (team, "Mine too")
    assert AuditEvent.objects.about(key).first().fields == sorted(
        ["description", *(["team"] if choice == "mine" else [])]
    )


def test_saving_the_review_without_a_choice_saves_nothing(
    client: Client, member: Client, key: ApiKey, url: str
) -> None:
    mine = opened_form(member, url)
    client.post(url, opened_form(client, url) | {"team": "Theirs"})
    review = form_of(member.post(url, mine | {"team": "Mine"}))

    for _ in range(2):
        response = member.post(url, review)
        assert response.status_code == 409
        assert errors_in(response) == {"team": "Choose which to keep."}
        review = form_of(response)

    assert ApiKey.objects.get().team == "Theirs"


@pytest.mark.parametrize("choice", ["mine", "theirs"])
def test_a_third_editor_is_noticed_after_the_review(
    client: Client, member: Client, key: ApiKey, url: str, choice: str
) -> None:
    mine = opened_form(member, url)
    client.post(url, opened_form(client, url) | {"team": "Theirs"})
    review = form_of(member.post(url, mine | {"team": "Mine"}))
    client.post(url, opened_form(client, url) | {"team": "Third", "description": "Third"})

    response = member.post(url, review | {"choice-team": choice})

    stored = ApiKey.objects.get()
    assert (stored.team, stored.description) == ("Third", "Third")
    if choice == "mine":
        assert response.status_code == 409
        assert "kim changed it to Third You entered Mine" in text_of(response)
    else:
        assert response.status_code == 302


def test_the_same_change_twice_is_no_conflict(
    client: Client, member: Client, key: ApiKey, url: str
) -> None:
    mine = opened_form(member, url)
    client.post(url, opened_form(client, url) | {"team": "Same"})

    response = member.post(url, mine | {"team": "Same"})

    assert messages_after(member, response) == ["Nothing was changed in my-openai-key."]
    assert AuditEvent.objects.about(key).count() == 2


def test_credentials_replaced_by_two_people_are_entered_again(
    client: Client, member: Client, key: ApiKey, url: str
) -> None:
    mine = opened_form(member, url)
    client.post(url, opened_form(client, url) | {"api_key": "sk-theirs-0123456789"})

    response = member.post(url, mine | {"api_key": TYPED})

    assert response.status_code == 409
    assert "kim changed the credentials while you were editing" in text_of(response)
    assert TYPED not in html_of(response)
    assert opened(key) == {"api_key": "sk-theirs-0123456789"}
    again = member.post(url, form_of(response) | {"api_key": TYPED})
    assert again.status_code == 302
    assert opened(key) == {"api_key": TYPED}


def test_credentials_do_not_follow_a_url_that_the_person_never_saw(
    client: Client, member: Client, key: ApiKey, url: str
) -> None:
    mine = opened_form(member, url)
    moved = {"api_base": "https://elsewhere.example/v1", "api_key": "sk-theirs-0123456789"}
    client.post(url, opened_form(client, url) | moved)

    response = member.post(url, mine | {"api_key": TYPED})

    assert response.status_code == 409
    assert "API base URL" in text_of(response) or "Base URL" in text_of(response)
    assert opened(key) == {"api_key": "sk-theirs-0123456789"}


def test_a_description_is_saved_beside_a_moved_key_without_its_credentials(
    client: Client, member: Client, key: ApiKey, url: str
) -> None:
    mine = opened_form(member, url)
    moved = {"api_base": "https://elsewhere.example/v1", "api_key": "sk-theirs-0123456789"}
    client.post(url, opened_form(client, url) | moved)

    response = member.post(url, mine | {"description": "Mine"})

    assert response.status_code == 302
    stored = ApiKey.objects.get()
    assert (stored.description, stored.config["api_base"]) == ("Mine", moved["api_base"])
    assert opened(key) == {"api_key": "sk-theirs-0123456789"}


def test_credentials_typed_beside_an_edited_description_are_saved(
    client: Client, member: Client, key: ApiKey, url: str
) -> None:
    mine = opened_form(member, url)
    client.post(url, opened_form(client, url) | {"description": "Theirs"})

    assert member.post(url, mine | {"api_key": TYPED}).status_code == 302
    assert opened(key) == {"api_key": TYPED}
    assert ApiKey.objects.get().description == "Theirs"


def test_a_key_that_was_disabled_concurrently_stays_disabled(
    client: Client, key: ApiKey, url: str, by: Actor
) -> None:
    mine = opened_form(client, url)
    disable_api_key(key, by=by, rev=key.rev)

    assert client.post(url, mine | {"description": "Mine"}).status_code == 302
    stored = ApiKey.objects.get()
    assert (stored.enabled, stored.description) == (False, "Mine")


@pytest.mark.parametrize("base", ["", "x", "\0", "x" * 5000])
def test_without_a_readable_base_every_difference_is_shown(
    client: Client, member: Client, key: ApiKey, url: str, base: str
) -> None:
    mine = opened_form(member, url)
    client.post(url, opened_form(client, url) | {"team": "Theirs"})

    response = member.post(url, mine | {"description": "Mine", "base": base})

    assert response.status_code == 409
    assert set(errors_in(response)) == {"team", "description"}


def test_the_base_holds_no_values(client: Client, key: ApiKey, url: str) -> None:
    base = inputs_of(client.get(url))["base"]

    for value in ("my-openai-key", "Shop", "Ours", OPENAI_KEY):
        assert value not in base


def test_a_double_submit_saves_once(client: Client, key: ApiKey, url: str) -> None:
    mine = opened_form(client, url) | {"team": "Mine"}

    assert client.post(url, mine).status_code == 302
    response = client.post(url, mine)

    assert messages_after(client, response)[-1] == "Nothing was changed in my-openai-key."
    assert AuditEvent.objects.about(key).count() == 2


# --- Endpoints -----------------------------------------------------------------------------------

EDIT = "/endpoints/search/edit/"


@pytest.fixture
def search(make_endpoint: MakeEndpoint, make_key: MakeKey) -> Endpoint:
    make_key("other")
    return make_endpoint("search", make_key(), model="gpt-5")


@pytest.mark.parametrize(
    "theirs", [{"routes-0-model": "gpt-6"}, {"routes-0-api_key": "other"}, {"enabled": ""}]
)
def test_a_description_is_saved_beside_another_change_of_the_endpoint(
    client: Client, member: Client, search: Endpoint, theirs: dict[str, str]
) -> None:
    mine = opened_form(member, EDIT)
    client.post(
        EDIT, {k: v for k, v in (opened_form(client, EDIT) | theirs).items() if k != "enabled" or v}
    )
    before = list(Endpoint.objects.values_list("enabled", "routes__model", "routes__api_key__name"))

    assert member.post(EDIT, mine | {"description": "Mine"}).status_code == 302

    after = list(Endpoint.objects.values_list("enabled", "routes__model", "routes__api_key__name"))
    assert after == before
    assert Endpoint.objects.get().description == "Mine"
    assert AuditEvent.objects.about(search).first().fields == ["description"]


def test_two_models_are_shown_side_by_side(
    client: Client, member: Client, search: Endpoint
) -> None:
    mine = opened_form(member, EDIT)
    client.post(EDIT, opened_form(client, EDIT) | {"routes-0-model": "theirs-1"})

    response = member.post(EDIT, mine | {"routes-0-model": "mine-1"})

    assert response.status_code == 409
    assert "kim changed it to theirs-1 You entered mine-1" in text_of(response)
    assert member.post(EDIT, form_of(response)).status_code == 409
    assert Route.objects.get().model == "theirs-1"
    member.post(EDIT, form_of(response) | {"choice-model": "mine"})
    assert Route.objects.get().model == "mine-1"


def test_an_added_route_is_kept_when_another_person_changes_the_description(
    client: Client, member: Client, search: Endpoint
) -> None:
    mine = opened_form(member, EDIT)
    added = routes(row(1, "other", "gpt-4", "fallback")) | {"routes-TOTAL_FORMS": 2}
    client.post(EDIT, opened_form(client, EDIT) | added)

    assert member.post(EDIT, mine | {"description": "Mine"}).status_code == 302

    assert list(Route.objects.values_list("model", flat=True)) == ["gpt-5", "gpt-4"]


def test_routes_that_two_people_changed_are_shown_as_a_whole(
    client: Client, member: Client, search: Endpoint
) -> None:
    mine = opened_form(member, EDIT)
    added = routes(row(1, "other", "gpt-4", "fallback")) | {"routes-TOTAL_FORMS": 2}
    client.post(EDIT, opened_form(client, EDIT) | added)

    response = member.post(EDIT, mine | {"routes-0-model": "mine-1"})

    assert response.status_code == 409
    page = text_of(response)
    assert "kim changed it to Primary route: gpt-5 · my-openai-key 1st fallback: gpt-4" in page
    assert "You entered Primary route: mine-1 · my-openai-key" in page
    assert member.post(EDIT, form_of(response)).status_code == 409
    assert Route.objects.count() == 2
    for choice, models in (("theirs", ["gpt-5", "gpt-4"]), ("mine", ["mine-1"])):
        review = form_of(response) | {"choice-routes": choice}
        assert member.post(EDIT, review).status_code == 302
        assert list(Route.objects.values_list("model", flat=True)) == models


def test_routes_of_the_same_order_are_merged_one_by_one(
    client: Client, member: Client, shared: Endpoint
) -> None:
    mine = opened_form(member, EDIT)
    client.post(
        EDIT,
        opened_form(client, EDIT)
        | {"routes-2-model": "opus", "routes-0-weight": "60", "routes-1-weight": "40"},
    )

    response = member.post(EDIT, mine | {"routes-3-model": "gpt-5-nano"})

    assert response.status_code == 302
    assert list(Route.objects.values_list("model", "weight"))[:2] == [("gpt-5", 60), ("gpt-5", 40)]
    assert list(Route.objects.values_list("model", flat=True))[2:] == ["opus", "gpt-5-nano"]


@pytest.mark.parametrize("change", ["removed", "moved"])
def test_a_removed_or_moved_route_is_not_undone(
    client: Client, member: Client, shared: Endpoint, change: str
) -> None:
    mine = opened_form(member, EDIT)
    theirs = opened_form(client, EDIT)
    if change == "removed":
        theirs["routes-TOTAL_FORMS"] = "3"
    else:
        for name in ("kind", "route", "api_key", "model"):
            first, last = f"routes-2-{name}", f"routes-3-{name}"
            theirs[first], theirs[last] = theirs[last], theirs[first]
    client.post(EDIT, theirs)
    before = list(Route.objects.values_list("pk", flat=True))

    assert member.post(EDIT, mine | {"description": "Mine"}).status_code == 302
    assert list(Route.objects.values_list("pk", flat=True)) == before
    response = member.post(EDIT, mine | {"routes-0-model": "mine-1"})
    assert response.status_code == 409
    assert list(Route.objects.values_list("pk", flat=True)) == before


def test_adding_a_route_to_the_form_keeps_what_it_was_opened_with(
    client: Client, member: Client, search: Endpoint
) -> None:
    mine = opened_form(member, EDIT)
    client.post(EDIT, opened_form(client, EDIT) | {"routes-0-model": "theirs-1"})
    longer = form_of(member.post(EDIT, mine | {"add_fallback": "1"}))

    response = member.post(EDIT, longer | {"routes-1-model": "gpt-4", "routes-1-api_key": "other"})

    assert response.status_code == 409
    assert Route.objects.get().model == "theirs-1"


# --- Gateway tokens ------------------------------------------------------------------------------


@pytest.fixture
def token(make_token: MakeToken, search: Endpoint) -> GatewayToken:
    return make_token("search-service", search)


def test_a_tokens_expiry_is_kept_when_another_person_renames_it(
    client: Client, member: Client, token: GatewayToken
) -> None:
    page = f"/tokens/{token.pk}/edit/"
    mine = opened_form(member, page)
    client.post(page, opened_form(client, page) | {"expires_at": "30"})
    expiry = GatewayToken.objects.get().expires_at
    assert expiry is not None

    response = member.post(page, mine | {"name": "renamed"})

    assert response.status_code == 302
    stored = GatewayToken.objects.get()
    assert (stored.name, stored.expires_at) == ("renamed", expiry)
    assert AuditEvent.objects.about(token).first().fields == ["name"]


def test_two_expiries_are_shown_side_by_side(
    client: Client, member: Client, token: GatewayToken
) -> None:
    page = f"/tokens/{token.pk}/edit/"
    mine = opened_form(member, page)
    client.post(page, opened_form(client, page) | {"expires_at": "30"})

    response = member.post(page, mine | {"expires_at": "7", "name": "renamed"})

    assert response.status_code == 409
    assert "You entered In 7 days" in text_of(response)
    assert errors_in(response) == {"expires_at": "Choose which to keep."}
    expiry = GatewayToken.objects.get().expires_at
    member.post(page, form_of(response) | {"choice-expires_at": "theirs"})
    stored = GatewayToken.objects.get()
    assert (stored.name, stored.expires_at) == ("renamed", expiry)
    again = member.post(page, form_of(response) | {"choice-expires_at": "mine"})
    assert again.status_code in (302, 409)


def test_endpoints_of_a_token_that_two_people_changed_are_shown_side_by_side(
    client: Client,
    member: Client,
    token: GatewayToken,
    make_endpoint: MakeEndpoint,
    make_key: MakeKey,
) -> None:
    make_endpoint("answers", ApiKey.objects.get(name="other"))
    page = f"/tokens/{token.pk}/edit/"
    mine = opened_form(member, page)
    client.post(page, opened_form(client, page) | {"all_endpoints": "on"})

    response = member.post(page, mine | {"endpoints": "search, answers"})

    assert response.status_code == 409
    assert "kim changed it to All endpoints You entered answers, search" in text_of(response)
    assert GatewayToken.objects.get().all_endpoints
    member.post(page, form_of(response) | {"choice-endpoints": "mine"})
    stored = GatewayToken.objects.get()
    assert not stored.all_endpoints
    assert {endpoint.name for endpoint in stored.endpoints.all()} == {"search", "answers"}


@pytest.fixture
def endpoints(make_endpoint: MakeEndpoint, request: pytest.FixtureRequest) -> None:
    """Endpoints to tick, or so many that their names are typed."""
    for name in ("answers", "billing", *(f"more-{n}" for n in range(request.param))):
        make_endpoint(name, None)


@pytest.mark.parametrize("endpoints", [0, 60], indirect=True, ids=["boxes", "a line"])
@pytest.mark.parametrize(
    ("theirs", "mine", "saved"),
    [
        ({"answers", "search"}, {"billing", "search"}, {"answers", "billing", "search"}),
        ({"answers"}, {"billing", "search"}, {"answers", "billing"}),
        ({"answers", "search"}, {"answers", "billing"}, {"answers", "billing"}),
    ],
    ids=["both add", "they replace, I add", "both add one, I remove one"],
)
def test_endpoints_that_two_people_add_to_or_remove_from_a_token_are_merged_one_by_one(
    client: Client,
    member: Client,
    token: GatewayToken,
    endpoints: None,
    theirs: set[str],
    mine: set[str],
    saved: set[str],
) -> None:
    page = f"/tokens/{token.pk}/edit/"
    form = opened_form(member, page)
    client.post(page, opened_form(client, page) | {"endpoints": ", ".join(theirs)})

    response = member.post(page, form | {"endpoints": ", ".join(mine)})

    assert response.status_code == 302
    assert {endpoint.name for endpoint in token.endpoints.all()} == saved
    assert any("kim changed Endpoints" in text for text in messages_after(member, response))
    assert AuditEvent.objects.about(token).first().fields == ["endpoints"]


@pytest.mark.parametrize("endpoints", [0], indirect=True)
def test_a_token_is_not_left_without_endpoints_when_two_people_remove_one_each(
    client: Client, member: Client, token: GatewayToken, endpoints: None
) -> None:
    token.endpoints.add(Endpoint.objects.get(name="answers"))
    page = f"/tokens/{token.pk}/edit/"
    form = opened_form(member, page)
    client.post(page, opened_form(client, page) | {"endpoints": "search"})

    response = member.post(page, form | {"endpoints": "answers"})

    assert response.status_code == 422
    assert "endpoints" in errors_in(response)
    assert [endpoint.name for endpoint in token.endpoints.all()] == ["search"]


# --- At the same moment --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["key", "endpoint", "token"])
def test_a_save_between_reading_and_writing_is_shown_and_then_kept(
    client: Client,
    member: Client,
    key: ApiKey,
    make_endpoint: MakeEndpoint,
    make_token: MakeToken,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    endpoint = make_endpoint("search", key)
    token = make_token("search-service", endpoint)
    page, services, service, theirs, mine = {
        "key": (f"/api-keys/{key.pk}/edit/", key_services, "update_api_key", "team", "description"),
        "endpoint": (EDIT, endpoint_services, "update_endpoint", "routes-0-model", "description"),
        "token": (
            f"/tokens/{token.pk}/edit/", endpoint_services, "update_token", "expires_at", "name",
        ),
    }[kind]  # fmt: skip
    form, their_form = opened_form(member, page), opened_form(client, page)
    real, calls = getattr(services, service), iter([True])

    def overtaken(*args: Any, **kwargs: Any) -> list[str]:
        if next(calls, False):
            client.post(page, their_form | {theirs: "7" if kind == "token" else "theirs"})
        return real(*args, **kwargs)

    monkeypatch.setattr(services, service, overtaken)

    response = member.post(page, form | {mine: "Mine"})

    assert response.status_code == 409
    assert "kim changed" in text_of(response)
    assert "Review, then save." in text_of(response)
    row = {"key": key, "endpoint": endpoint, "token": token}[kind]
    before = AuditEvent.objects.about(row).count()
    assert member.post(page, form_of(response)).status_code == 302
    assert AuditEvent.objects.about(row).count() == before + 1
    assert AuditEvent.objects.about(row).first().fields == [mine]
