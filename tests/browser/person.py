"""A user at a browser, who finds elements by their names."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Locator, Page, expect

from .watching import Watch

PASSWORD = "correcthorsebatterystaple"


@dataclass
class Person:
    """A browser window, with or without scripts. Without, a dialog is a page."""

    page: Page
    watch: Watch
    home: str
    scripts: bool = True

    def goes_to(self, path: str) -> None:
        self.page.goto(path)

    def signs_in(self, name: str = "kim", password: str = PASSWORD) -> None:
        self.page.get_by_label("Username").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()

    def is_signed_in_as(self, user: User) -> None:
        client = Client()
        client.force_login(user)
        self.page.context.add_cookies(
            [
                {"name": name, "value": cookie.value, "url": self.home}
                for name, cookie in client.cookies.items()
            ]
        )

    def opens(self, name: str) -> Locator:
        """Follow a link that opens a form, and return where the form is."""
        self.page.get_by_role("link", name=name, exact=True).first.click()
        return self.dialog() if self.scripts else self.page.get_by_role("main")

    def dialog(self) -> Locator:
        dialog = self.page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        self.waits_for_scripts()
        return dialog

    def row(self, name: str) -> Locator:
        """Return the row of a list that begins with ``name``."""
        link = self.page.get_by_role("link", name=name, exact=True)
        return self.page.get_by_role("row").filter(has=link).first

    @contextmanager
    def sees_another_form(self, form: Locator) -> Iterator[None]:
        """Wait until what the block does has loaded the form again."""
        shown = form.locator("form[method=post]").last
        shown.evaluate("form => (form.dataset.seen = 'yes')")
        yield
        expect(form.locator("form[data-seen]")).to_have_count(0)
        expect(shown).to_be_visible()
        self.waits_for_scripts()

    @contextmanager
    def sees_other_fields(self, form: Locator) -> Iterator[None]:
        """Wait until what the block chooses has brought the fields that belong to it."""
        choice = form.locator("#choice")
        choice.evaluate("choice => (choice.dataset.seen = 'yes')")
        yield
        expect(form.locator("#choice[data-seen]")).to_have_count(0)
        expect(choice).to_be_visible()
        self.waits_for_scripts()

    def waits_for_scripts(self) -> None:
        """Wait until what was brought has been settled, and the focus been put where it belongs:
        no person types within those milliseconds."""
        expect(self.page.locator(".htmx-request, .htmx-swapping, .htmx-settling")).to_have_count(0)

    def types(self, field: Locator, text: str) -> None:
        """Replace what stands in a field, key by key: a page may listen to each."""
        field.select_text()
        field.press_sequentially(text)

    def chooses_provider(self, form: Locator, name: str, *, typing: str = "") -> None:
        """Choose by ``typing`` and a click where scripts run, by the whole name elsewhere."""
        self.types(
            form.get_by_role("combobox", name="Provider"),
            typing if self.scripts and typing else name,
        )
        with self.sees_other_fields(form):
            if self.scripts:
                form.get_by_role("option", name=name, exact=True).click()
            else:
                form.get_by_role("button", name="Continue").click()

    def chooses_method(self, form: Locator, name: str) -> None:
        with self.sees_other_fields(form):
            form.get_by_label("Authentication method").select_option(label=name)
            if not self.scripts:
                form.get_by_role("button", name="Continue").click()

    def chooses_key(self, form: Locator, label: str, name: str) -> None:
        self.types(form.get_by_role("combobox", name=label), name)
        if self.scripts:
            form.get_by_role("option", name=name).first.click()

    def searches(self, text: str) -> None:
        """Type into the search of a list; without scripts, press its button too."""
        self.page.get_by_role("searchbox", name="Search").fill(text)
        self._sends_the_search()

    def filters(self, label: str, choice: str) -> None:
        """Choose ``choice``, which may stand with a number behind it."""
        options = self.page.get_by_label(label).get_by_role("option")
        option = options.filter(has_text=re.compile(rf"^{re.escape(choice)}( \(|$)"))
        self.page.get_by_label(label).select_option(option.get_attribute("value"))
        self._sends_the_search()

    def _sends_the_search(self) -> None:
        if not self.scripts:
            self.page.get_by_role("button", name="Search", exact=True).click()

    def is_told(self, text: str) -> None:
        """Wait for a message on top of the page."""
        expect(self.page.get_by_role("main").get_by_text(text, exact=True).first).to_be_visible()


def textbox(form: Locator, label: str) -> Locator:
    """Return the input that is called exactly so; "API key" is a method and a button as well."""
    return form.get_by_role("textbox", name=label, exact=True)


OpenBrowser = Callable[..., Person]
