"""An endpoint's own page: calling it, and learning how to."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from apikeys.models import ApiKey
from endpoints.models import Endpoint, GatewayToken
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
    expect(person.page.get_by_text("key=the-key")).to_be_visible()
    assert GatewayToken.objects.get().purpose == GatewayToken.Purpose.TRIAL


def test_what_goes_wrong_is_told_in_the_panel(
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

    person.watch.expect(503)

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
