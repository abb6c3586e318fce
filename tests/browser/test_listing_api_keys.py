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
    expect(page.get_by_role("heading", name="No API key fits")).to_be_visible()
    page.go_back()
    expect(count).to_have_text("5 API keys")
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("KEY-5")
    person.goes_to("/api-keys/?q=zzz")
    page.get_by_role("link", name="Show all API keys").click()
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
