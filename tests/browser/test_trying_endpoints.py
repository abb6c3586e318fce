"""An endpoint's own page: calling it, and learning how to."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from apikeys.models import ApiKey
from endpoints.models import Endpoint, GatewayToken, Route
from gatewayproject.demo.provider import Provider

from .person import OpenBrowser


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    settings.ALLOWED_PRIVATE_ORIGINS = ["http://127.0.0.1:*"]
    with Provider().running() as provider:
        yield provider


@pytest.mark.parametrize(("kind", "path"), [("openai", "/v1"), ("anthropic", ""), ("gemini", "")])
def test_an_endpoint_is_tried_through_the_gateway(
    kind: str,
    path: str,
    open_browser: OpenBrowser,
    kim: User,
    provider: Provider,
    make_key: Callable[..., ApiKey],
    make_endpoint: Callable[..., Endpoint],
) -> None:
    make_endpoint("search", make_key("the-key", kind, api_base=f"{provider.url}{path}"))
    person = open_browser(kim)
    person.goes_to("/endpoints/search/")

    person.page.get_by_label("Message").fill("Is anybody there?")
    person.page.get_by_role("button", name="Send").click()

    expect(person.page.get_by_text("You said: Is anybody there?")).to_be_visible()
    chips = person.page.locator(".try-status .badge")
    expect(chips).to_have_text(
        ["the-key", "gpt-5-mini", "primary", re.compile(r"first byte \d+ ms"), re.compile("total")]
    )
    assert GatewayToken.objects.get().purpose == GatewayToken.Purpose.TRIAL


@pytest.mark.parametrize(("kind", "path"), [("openai", "/v1"), ("gemini", "")])
def test_an_embedding_model_is_tried_with_a_text(
    kind: str,
    path: str,
    open_browser: OpenBrowser,
    kim: User,
    provider: Provider,
    make_key: Callable[..., ApiKey],
    make_endpoint: Callable[..., Endpoint],
) -> None:
    key = make_key("the-key", kind, api_base=f"{provider.url}{path}")
    make_endpoint("embed", key, model="text-embedding-3-small")
    person = open_browser(kim)
    person.goes_to("/endpoints/embed/")

    person.page.get_by_role("button", name="Send").click()

    expect(person.page.get_by_text(re.compile(r"^\d+ numbers: -?\d"))).to_be_visible()


def test_the_fallback_that_served_is_named(
    open_browser: OpenBrowser,
    kim: User,
    provider: Provider,
    make_key: Callable[..., ApiKey],
    make_endpoint: Callable[..., Endpoint],
) -> None:
    key = make_key("the-key", api_base=f"{provider.url}/v1")
    routes = [
        Route(api_key=key, model="fail-503"),
        Route(api_key=key, model="gpt-5", kind="fallback"),
    ]
    make_endpoint("search", routes=routes)
    person = open_browser(kim)
    person.goes_to("/endpoints/search/")

    person.page.get_by_role("button", name="Send").click()

    expect(person.page.locator(".try-status .badge").nth(2)).to_have_text("1st fallback")


def test_errors_are_shown_in_the_panel(
    open_browser: OpenBrowser,
    kim: User,
    provider: Provider,
    make_key: Callable[..., ApiKey],
    make_endpoint: Callable[..., Endpoint],
) -> None:
    key = make_key("the-key", api_base=f"{provider.url}/v1")
    make_endpoint("search", key, model="fail-401")
    person = open_browser(kim)
    person.goes_to("/endpoints/search/")

    person.watch.expect(424)

    person.page.get_by_role("button", name="Send").click()

    expect(person.page.get_by_text("The provider refused this endpoint's API key")).to_be_visible()


def test_a_snippet_is_copied(
    open_browser: OpenBrowser,
    kim: User,
    make_key: Callable[..., ApiKey],
    make_endpoint: Callable[..., Endpoint],
) -> None:
    make_endpoint("search", make_key())
    person = open_browser(kim, permissions=["clipboard-read", "clipboard-write"])
    person.goes_to("/endpoints/search/")

    person.page.get_by_text("OpenAI SDK").click()
    copy = person.page.get_by_role("button", name="Copy").locator("visible=true")
    copy.click()

    expect(person.page.get_by_text("Copied")).to_be_visible()
    expect(person.page.get_by_label("OpenAI SDK")).to_contain_text('model="search"')
