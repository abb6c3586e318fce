"""Every page and dialog suits everybody: axe, light and dark, and a phone."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from playwright.sync_api import Page

from tests.conftest import MakeEndpoint, MakeKey, MakeToken

from . import gallery, pictures
from .gallery import (
    EMPTY,
    ENDPOINTS,
    KEYS,
    KEYS_TOO,
    MANY_ENDPOINTS,
    ROTATING,
    SIGNED_OUT,
    TOKENS,
    View,
)
from .person import OpenBrowser

pytestmark = pytest.mark.browser

WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}
COLOURS_ONLY = {"runOnly": ["color-contrast"]}

MISFITS = Path(__file__).with_name("misfits.js").read_text().partition("\n")[2].rstrip(";\n")


def violations(page: Page, how: str, **options: object) -> list[str]:
    """Return what axe objects to."""
    result = Axe().run(page, options=options)
    return [
        f"{how}: {violation['id']} at {node['target']}: {node['failureSummary']}"
        for violation in result.response["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize(
    "views",
    [SIGNED_OUT, EMPTY, KEYS, ROTATING, KEYS_TOO, ENDPOINTS, TOKENS, MANY_ENDPOINTS],
    ids=[
        "signed out",
        "empty",
        "keys",
        "rotating",
        "more of keys",
        "endpoints",
        "tokens",
        "many endpoints",
    ],
)
def test_each_page_and_dialog_suits_everybody_in_light_in_dark_and_on_a_phone(
    open_browser: OpenBrowser,
    kim: User,
    make_key: MakeKey,
    make_endpoint: MakeEndpoint,
    make_token: MakeToken,
    views: dict[str, View],
) -> None:
    if views is not EMPTY:
        gallery.furnish(make_key, make_endpoint, make_token)
    if views is MANY_ENDPOINTS:
        for number in range(60):
            make_endpoint(f"bulk-{number:02}", None)
    person = open_browser(None if views is SIGNED_OUT else kim, viewport=WIDE)
    page, problems = person.page, []

    for name in gallery.tour(person, views):
        pictures.take(page, name, "light")
        problems += violations(page, f"{name} in light")
        page.emulate_media(color_scheme="dark")
        pictures.take(page, name, "dark")
        problems += violations(page, f"{name} in dark", **COLOURS_ONLY)
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(PHONE)
        pictures.take(page, name, "phone")
        problems += [f"{name} on a phone: {misfit}" for misfit in page.evaluate(MISFITS)]
        page.set_viewport_size(WIDE)

    assert not problems, "\n".join(problems)
