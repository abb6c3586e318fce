"""Acting on several API keys at once, from the list."""

import csv
import io
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, expect

from apikeys.models import ApiKey, AuthScheme
from tests.conftest import MakeEndpoint, MakeKey

from .person import OpenBrowser, Person

pytestmark = pytest.mark.browser


def bar_of(person: Person) -> Locator:
    return person.page.get_by_role("form", name="Selected API keys")


def box(person: Person, name: str) -> Locator:
    return person.page.get_by_role("checkbox", name=name, exact=True)


@pytest.mark.both_ways
def test_selected_keys_are_disabled_after_a_look_at_what_stops(
    person: Person, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    keys = [make_key(f"key-{letter}") for letter in "abc"]
    make_endpoint("search", keys[0])
    person.goes_to("/api-keys/?q=key")
    expect(bar_of(person)).to_be_hidden()

    for name in ("key-a", "key-c"):
        box(person, f"Select {name}").check()
    bar_of(person).get_by_role("button", name="Disable").click()

    form = person.dialog() if person.scripts else person.page.get_by_role("main")
    expect(form.get_by_role("heading", name="Disable 2 API keys")).to_be_visible()
    expect(form.get_by_text("1 endpoint uses these keys; 1 would stop working.")).to_be_visible()
    form.get_by_role("button", name="Disable", exact=True).click()

    person.is_told("Disabled 2 API keys.")
    expect(person.page).to_have_url(f"{person.home}/api-keys/?q=key")
    states = dict(ApiKey.objects.values_list("name", "enabled"))
    assert states == {"key-a": False, "key-b": True, "key-c": False}


def test_the_export_of_a_selection_is_a_file(
    person: Person, make_key: MakeKey, tmp_path: Path
) -> None:
    for letter in "abc":
        make_key(f"key-{letter}")
    person.goes_to("/api-keys/")
    box(person, "Select key-b").check()

    with person.page.expect_download() as download:
        bar_of(person).get_by_role("button", name="Export CSV").click()

    file = tmp_path / "keys.csv"
    download.value.save_as(file)
    rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8-sig"))))
    assert [row["Name"] for row in rows] == ["key-b"]
    assert download.value.suggested_filename.startswith("api-keys-2")


def test_boxes_of_the_page_and_of_all_pages_follow_each_other(
    open_browser: OpenBrowser, kim: User
) -> None:
    scheme = AuthScheme.objects.get(provider__slug="openai", slug="api_key")
    names = [f"key-{number:02}" for number in range(60)]
    ApiKey.objects.bulk_create(ApiKey(name=name, name_key=name, scheme=scheme) for name in names)
    person = open_browser(kim)
    person.goes_to("/api-keys/")
    page_box, first = box(person, "Select all on this page"), box(person, "Select key-00")

    page_box.check()
    expect(bar_of(person)).to_contain_text("50 selected")
    first.uncheck()
    expect(bar_of(person)).to_contain_text("49 selected")
    expect(page_box).to_have_js_property("indeterminate", True)

    bar_of(person).get_by_label("Select all 60 keys").check()
    expect(first).to_be_checked()
    expect(bar_of(person)).to_contain_text("60 selected")
    first.uncheck()
    expect(bar_of(person)).to_contain_text("49 selected")
    expect(bar_of(person).get_by_label("Select all 60 keys")).not_to_be_checked()

    bar_of(person).get_by_label("Select all 60 keys").check()
    bar_of(person).get_by_role("button", name="Edit", exact=True).click()
    form = person.dialog()
    form.get_by_label("Change the team").check()
    form.get_by_label("Team", exact=True).fill("Search")
    form.get_by_role("button", name="Save", exact=True).click()

    person.is_told("Saved 60 API keys.")
    assert set(ApiKey.objects.values_list("team", flat=True)) == {"Search"}


@pytest.mark.both_ways
def test_endpoints_are_moved_and_the_key_stays(
    person: Person, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    key, _ = make_key("old-key"), make_key("new-key")
    for name in ("search", "summaries"):
        make_endpoint(name, key)
    person.goes_to(f"/api-keys/{key.pk}/")

    form = person.opens("Move endpoints")
    person.chooses_key(form, "Move to", "new-key")
    form.get_by_label("summaries").uncheck()
    form.get_by_role("button", name="Move", exact=True).click()

    person.is_told("Moved 1 endpoint to new-key.")
    assert [route.endpoint.name for route in key.routes.all()] == ["summaries"]
