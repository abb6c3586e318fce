"""Every page and dialog is accessible: axe, light and dark, and a phone."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import Group, User
from playwright.sync_api import Page, expect

from tests.conftest import MakeEndpoint, MakeKey, MakeToken

from . import gallery, pictures
from .gallery import (
    ADMIN,
    ADMIN_FORMS,
    EMPTY,
    ENDPOINTS,
    KEYS,
    KEYS_TOO,
    MANY_ENDPOINTS,
    ROTATING,
    SELECTED,
    SIGNED_OUT,
    TOKENS,
    View,
)
from .person import OpenBrowser

pytestmark = pytest.mark.browser

WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 320, "height": 740}
SIZES = [PHONE, {"width": 640, "height": 500}, {"width": 1100, "height": 600}]
COLOURS_ONLY = {"runOnly": ["color-contrast"]}

MISFITS = Path(__file__).with_name("misfits.js").read_text().partition("\n")[2].rstrip(";\n")


def violations(page: Page, how: str, **options: object) -> list[str]:
    """Return what axe objects to. Its preloading is off: it adds styles, which the CSP forbids."""
    result = Axe().run(page, options={"preload": False, **options})
    return [
        f"{how}: {violation['id']} at {node['target']}: {node['failureSummary']}"
        for violation in result.response["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "views",
    [
        SIGNED_OUT,
        EMPTY,
        KEYS,
        ROTATING,
        KEYS_TOO,
        SELECTED,
        ENDPOINTS,
        TOKENS,
        MANY_ENDPOINTS,
        ADMIN,
        ADMIN_FORMS,
    ],
    ids=[
        "signed out",
        "empty",
        "keys",
        "rotating",
        "more of keys",
        "selected keys",
        "endpoints",
        "tokens",
        "many endpoints",
        "admin",
        "forms of the admin",
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
    if views is ADMIN_FORMS:
        Group.objects.get_or_create(name="Key managers")
    person = open_browser(None if views is SIGNED_OUT else kim, viewport=WIDE)
    page, problems = person.page, []

    for name in gallery.tour(person, views):
        pictures.take(page, name, "light")
        problems += violations(page, f"{name} in light")
        page.emulate_media(color_scheme="dark")
        pictures.take(page, name, "dark")
        problems += violations(page, f"{name} in dark", **COLOURS_ONLY)
        page.emulate_media(color_scheme="light")
        for size in [*SIZES, WIDE]:
            page.set_viewport_size(size)
            if size is PHONE:
                pictures.take(page, name, "phone")
            problems += [
                f"{name} at {size['width']}: {misfit}" for misfit in page.evaluate(MISFITS)
            ]

    assert not problems, "\n".join(problems)


def test_the_tab_the_switch_and_the_charts_keep_their_marks_in_high_contrast(
    open_browser: OpenBrowser,
    kim: User,
    make_key: MakeKey,
    make_endpoint: MakeEndpoint,
    make_token: MakeToken,
) -> None:
    gallery.furnish(make_key, make_endpoint, make_token)
    person = open_browser(kim, forced_colors="active")
    person.goes_to("/endpoints/search-assistant/")
    page = person.page

    tab, other_tab = (".tabs [aria-current]", ".tabs :not([aria-current])")
    assert style_of(page, tab, "borderBottomColor") != style_of(
        page, other_tab, "borderBottomColor"
    )
    span, other_span = (".switch [aria-current]", ".switch :not([aria-current])")
    assert style_of(page, span, "backgroundColor") != style_of(page, other_span, "backgroundColor")
    lower, upper = (
        style_of(page, f".legend.{part}", "backgroundColor", "::before")
        for part in ("lower", "upper")
    )
    assert lower != upper
    assert style_of(page, ".chart .lower:is(rect)", "fill") == lower
    assert style_of(page, ".badge", "borderTopStyle") == "solid"


def test_on_paper_there_is_nothing_to_press_and_tables_stay_tables(
    open_browser: OpenBrowser,
    kim: User,
    make_key: MakeKey,
    make_endpoint: MakeEndpoint,
    make_token: MakeToken,
) -> None:
    gallery.furnish(make_key, make_endpoint, make_token)
    person = open_browser(kim, viewport={"width": 718, "height": 1000}, color_scheme="dark")
    person.goes_to("/api-keys/")
    page = person.page
    page.emulate_media(media="print")

    for gone in (".tabs", ".account", ".filters", ".page-head .button", "td.actions"):
        expect(page.locator(gone).first).to_be_hidden()
    assert style_of(page, ".keys td", "display") == "table-cell"
    assert style_of(page, ":root", "colorScheme") == "light"
    assert page.evaluate(MISFITS) == []


def style_of(page: Page, selector: str, name: str, pseudo: str | None = None) -> str:
    """Return how a browser draws the first element that matches ``selector``."""
    return page.locator(selector).first.evaluate(
        "(element, [name, pseudo]) => getComputedStyle(element, pseudo)[name]", [name, pseudo]
    )
