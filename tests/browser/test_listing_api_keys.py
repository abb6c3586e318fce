"""The list of API keys: its state is its URL."""

import re

import pytest
from playwright.sync_api import Page, expect

from apikeys.models import ApiKey, AuthScheme
from tests.conftest import MakeEndpoint, MakeKey

from .person import Person

pytestmark = pytest.mark.browser


@pytest.fixture
def sixty_keys(person: Person) -> None:
    """More than fit on a page, in two environments."""
    scheme = AuthScheme.objects.get(provider__slug="openai", slug="api_key")
    environments = ["production", "staging"]
    ApiKey.objects.bulk_create(
        ApiKey(
            name=f"key-{number:02}",
            name_key=f"key-{number:02}",
            scheme=scheme,
            environment=environments[number % 2],
        )
        for number in range(60)
    )


def names(page: Page) -> list[str]:
    return [cell.split("\n")[0] for cell in page.locator("tbody td.name").all_inner_texts()]


@pytest.mark.both_ways
def test_search_filter_sort_and_page_survive_reload_back_and_being_shared(
    person: Person, make_key: MakeKey, sixty_keys: None
) -> None:
    make_key("claude", "anthropic")
    page, count = person.page, person.page.get_by_text(re.compile(r"^\d+ API keys?$"))
    person.goes_to("/api-keys/")
    expect(count).to_have_text("61 API keys")

    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("Page 2 of 2")).to_be_visible()
    page.get_by_role("link", name="Name", exact=True).click()  # sorting begins at the first page
    expect(page.get_by_role("columnheader", name="Name")).to_have_attribute(
        "aria-sort", "descending"
    )
    assert names(page)[0] == "key-59"

    person.filters("Filter by environment", "Staging")
    expect(count).to_have_text("30 API keys")
    person.filters("Filter by provider", "OpenAI")
    person.searches("KEY-5")
    expect(count).to_have_text("5 API keys")
    assert names(page) == ["key-59", "key-57", "key-55", "key-53", "key-51"]
    shared = page.url
    assert {"q=KEY-5", "provider=openai", "environment=staging", "sort=-name"} <= set(
        shared.partition("?")[2].split("&")
    )

    page.reload()
    expect(count).to_have_text("5 API keys")
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("KEY-5")

    tab = page.context.new_page()
    tab.goto(shared)
    assert names(tab) == names(page)
    expect(tab.get_by_label("Filter by environment")).to_have_value("staging")
    tab.close()

    page.get_by_role("link", name="key-59", exact=True).click()
    expect(page.get_by_role("heading", name="key-59")).to_be_visible()
    page.go_back()
    expect(count).to_have_text("5 API keys")
    assert names(page)[0] == "key-59"

    person.searches("nothing is called so")
    expect(page.get_by_role("heading", name="No matching API keys")).to_be_visible()
    page.go_back()
    expect(count).to_have_text("5 API keys")
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("KEY-5")
    person.goes_to("/api-keys/?q=zzz")
    page.get_by_role("link", name="Clear filters").click()
    expect(count).to_have_text("61 API keys")


def test_the_count_of_endpoints_opens_their_names(
    person: Person, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    key = make_key("shared")
    make_endpoint("search", key)
    make_endpoint("summaries", key, enabled=False)
    person.goes_to("/api-keys/")

    shown = person.opens("2 endpoints that use shared")

    expect(shown.get_by_role("heading", name="Endpoints that use shared")).to_be_visible()
    expect(shown.get_by_role("listitem").filter(has_text="search")).to_contain_text("Active")
    expect(shown.get_by_role("listitem").filter(has_text="summaries")).to_contain_text("Disabled")
    shown.get_by_role("link", name="search").click()
    expect(person.page).to_have_url(f"{person.home}/endpoints/search/")


def test_the_filtered_list_is_kept_through_dialogs_and_short_in_the_url(
    person: Person, make_key: MakeKey
) -> None:
    page = person.page
    make_key("key-50")
    for number in (51, 53, 55, 57, 59):
        make_key(f"key-{number}", environment="staging")
    person.goes_to("/api-keys/")
    person.searches("key-5")
    person.filters("Filter by environment", "Staging")
    expect(page.get_by_text("5 API keys", exact=True)).to_be_visible()
    filtered = f"{person.home}/api-keys/?q=key-5&environment=staging"
    expect(page).to_have_url(filtered)

    form = person.opens("Edit key-51")
    expect(form.get_by_text("1 of 5")).to_be_visible()
    form.get_by_label("Team").fill("Chat")
    form.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved key-51.")).to_be_visible()
    expect(page).to_have_url(filtered)

    form = person.opens("Edit key-51")
    form.get_by_role("link", name="Skip").click()
    expect(form.get_by_role("heading", name="Edit key-53")).to_be_visible()
    form.get_by_label("Team").fill("Chat")
    form.get_by_role("button", name="Save and next").click()
    expect(page.get_by_text("Saved key-53.")).to_be_visible()
    expect(page.get_by_role("heading", name="Edit key-55")).to_be_visible()

    page.goto(filtered)
    form = person.opens("Delete key-59")
    form.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Deleted key-59.")).to_be_visible()
    expect(page).to_have_url(filtered)

    person.searches("")
    expect(page).to_have_url(f"{person.home}/api-keys/?environment=staging")
    create = page.get_by_role("link", name="Create API Key")
    expect(create).to_have_attribute("href", re.compile("environment%3Dstaging$"))
    page.get_by_role("link", name="Clear filters").click()
    expect(page).to_have_url(f"{person.home}/api-keys/")
