"""Create API Key: a dialog, and a page of its own."""

import json
import re

import pytest
from playwright.sync_api import Locator, expect

from apikeys.models import ApiKey
from tests.conftest import MakeKey
from tests.fakes import OPENAI_KEY, service_account

from .person import Person, textbox

pytestmark = pytest.mark.browser

AZURE_KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def form(person: Person) -> Locator:
    """The form, opened from the list."""
    person.goes_to("/api-keys/")
    return person.opens("Create API Key")


def create(form: Locator) -> None:
    form.get_by_role("button", name="Create", exact=True).click()


@pytest.mark.both_ways
def test_an_openai_key_is_chosen_by_typing_created_and_listed(
    person: Person, form: Locator, scripts: bool
) -> None:
    textbox(form, "Name").fill("my-openai-key")
    person.chooses_provider(form, "OpenAI", typing="openai")
    methods = form.get_by_label("Authentication method").get_by_role("option")
    expect(methods).to_have_text(
        ["API key", "Azure OpenAI (API key)", "Azure OpenAI (Microsoft Entra ID)"]
    )
    expect(textbox(form, "Name")).to_have_value("my-openai-key")
    secret = textbox(form, "API key")
    secret.fill(f'OPENAI_API_KEY="{OPENAI_KEY}" ')  # as people paste
    expect(secret).to_have_attribute("type", "password")
    reveal = form.get_by_role("button", name="Show the value").first
    if scripts:
        reveal.click()
        expect(secret).to_have_attribute("type", "text")
        expect(reveal).to_have_attribute("aria-pressed", "true")
        reveal.click()
        expect(secret).to_have_attribute("type", "password")
    else:
        expect(reveal).to_be_hidden()  # it could do nothing
    form.get_by_text("More options").click()
    form.get_by_label("Environment").select_option(label="Staging")
    create(form)

    person.is_told("Created my-openai-key.")
    expect(person.page.get_by_text("Removed spaces, OPENAI_API_KEY= and quotes")).to_be_visible()
    expect(person.page).to_have_url(f"{person.home}/api-keys/")
    row = person.row("my-openai-key")
    expect(row.get_by_text("OpenAI", exact=True)).to_be_visible()
    expect(row.get_by_text(f"…{OPENAI_KEY[-4:]}")).to_be_visible()
    expect(row.get_by_text("Staging")).to_be_visible()
    expect(row.get_by_text("just now")).to_have_count(2)


@pytest.mark.both_ways
def test_each_provider_asks_for_its_own_and_the_name_stays(
    person: Person, form: Locator, scripts: bool
) -> None:
    textbox(form, "Name").fill("bedrock")
    form.get_by_text("More options").click()
    textbox(form, "Team").fill("Search")
    if scripts:
        form.get_by_role("combobox", name="Provider").click()
        offered = form.get_by_role("listbox").get_by_role("option")
        expect(offered).to_have_count(77)
        expect(offered.first).to_have_text("OpenAI")  # common ones first
    else:
        offered = form.locator("datalist option")
        expect(offered).to_have_count(77)
        expect(offered.first).to_have_attribute("value", "OpenAI")

    person.chooses_provider(form, "Anthropic")
    expect(textbox(form, "API key")).to_be_visible()
    expect(form.get_by_label("Authentication method")).to_have_count(0)

    person.chooses_provider(form, "Azure OpenAI", typing="azure open")
    expect(form.get_by_label("Endpoint URL")).to_be_visible()
    expect(form.get_by_label("API version")).to_have_value("2024-10-21")
    person.chooses_method(form, "Microsoft Entra ID")
    expect(form.get_by_label("Client secret")).to_be_visible()
    expect(form.get_by_label("Tenant ID")).to_be_visible()

    person.chooses_provider(form, "Amazon Bedrock")
    methods = form.get_by_label("Authentication method").get_by_role("option")
    expect(methods).to_have_count(4)
    expect(form.get_by_label("Region")).to_have_value("us-east-1")
    person.chooses_method(form, "Server's default chain")
    expect(form.get_by_text("No credentials needed")).to_be_visible()
    expect(textbox(form, "Name")).to_have_value("bedrock")
    expect(textbox(form, "Team")).to_have_value("Search")
    create(form)
    person.is_told("Created bedrock.")


def test_the_project_is_taken_from_service_account_json(
    person: Person, form: Locator, scripts: bool
) -> None:
    textbox(form, "Name").fill("vertex")
    provider = form.get_by_role("combobox", name="Provider")
    person.types(provider, "verte")  # some of the name will do
    with person.sees_other_fields(form):
        if scripts:
            expect(form.get_by_role("listbox").get_by_role("option")).to_have_text(
                ["Google Vertex AI"]
            )
            provider.press("Enter")
        else:
            form.get_by_role("button", name="Continue").click()
    document = form.get_by_label("Service account JSON")
    document.fill(service_account(project_id="acme-maps"))

    assert "\n" in document.input_value()
    expect(textbox(form, "Project ID")).to_have_value("acme-maps" if scripts else "")
    create(form)
    person.is_told("Created vertex.")
    assert ApiKey.objects.get().config["vertex_project"] == "acme-maps"


@pytest.mark.both_ways
def test_an_error_is_shown_next_to_its_field_and_no_page_brings_the_secret_back(
    person: Person, form: Locator, make_key: MakeKey
) -> None:
    make_key("my-openai-key")
    good = {
        "Name": "azure",
        "API key": AZURE_KEY,
        "Endpoint URL": "https://acme.openai.azure.com",
        "API version": "2024-10-21",
    }
    wrong = {
        "Name": ("MY-OPENAI-KEY", "already has this name"),
        "API key": ("0123456789abcdef 0123456789abcdef", "contains spaces"),
        "Endpoint URL": ("https://evil.example.com", "Enter an Azure endpoint"),
        "API version": ("yesterday", "An API version is a date"),
    }

    create(form)
    expect(textbox(form, "Name")).to_be_focused()  # the browser itself asks for a name
    textbox(form, "Name").fill("azure")
    with person.sees_another_form(form):
        create(form)
    expect(form.get_by_role("combobox", name="Provider")).to_have_accessible_description(
        re.compile("Choose a provider")
    )

    person.types(form.get_by_role("combobox", name="Provider"), "Nobody & Sons")
    with person.sees_other_fields(form):
        if person.scripts:
            form.get_by_role("combobox", name="Provider").press("Tab")
        else:
            form.get_by_role("button", name="Continue").click()
    expect(form.get_by_text("No provider is called “Nobody & Sons”.")).to_be_visible()

    person.chooses_provider(form, "Azure OpenAI")
    for label, (value, complaint) in wrong.items():
        typed = value if label == "API key" else AZURE_KEY  # the browser keeps it, not the page
        for other, right in good.items():
            textbox(form, other).fill(value if other == label else right)
        with person.sees_another_form(form):
            create(form)
        field = textbox(form, label)
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_accessible_description(re.compile(complaint))
        expect(textbox(form, "API key")).to_have_value(typed if person.scripts else "")
        if person.scripts:
            expect(field).to_be_focused()
    assert [key.name for key in ApiKey.objects.all()] == ["my-openai-key"]

    form.get_by_role("link", name="Cancel").click()
    expect(person.page.get_by_role("dialog")).to_have_count(0)
    expect(person.page.get_by_role("heading", name="API Keys", exact=True)).to_be_visible()


@pytest.mark.both_ways
def test_the_secret_is_never_in_a_url(person: Person, form: Locator) -> None:
    """Choosing is a GET of the very form that the secret stands in."""
    typed = "sk-typed-before-another-choice-was-made"
    person.chooses_provider(form, "OpenAI")
    textbox(form, "API key").fill(typed)

    person.chooses_method(form, "Azure OpenAI (API key)")
    expect(form.get_by_label("Endpoint URL")).to_be_visible()
    textbox(form, "API key").fill(typed)
    person.chooses_provider(form, "Google Vertex AI")
    form.get_by_label("Service account JSON").fill(json.dumps({"private_key": typed}))
    person.chooses_provider(form, "OpenAI")
    expect(form.get_by_label("Organization ID")).to_be_visible()

    expect(textbox(form, "API key")).to_have_value(typed if person.scripts else "")
    addresses = [
        address
        for request in person.watch.requests
        for address in (request.url, request.headers.get("referer", ""))
    ]
    assert any("provider=Google" in address for address in addresses)
    assert not [address for address in addresses if typed in address]


def test_html_in_a_name_is_only_text(person: Person) -> None:
    name = '<img src=x onerror="alert(1)">'
    person.goes_to("/api-keys/new/?provider=anthropic")
    page = person.page.get_by_role("main")
    textbox(page, "Name").fill(name)
    textbox(page, "API key").fill("sk-ant-api03-made-up-for-tests")

    create(page)

    person.is_told(f"Created {name}.")
    person.page.get_by_role("link", name=name, exact=True).click()
    expect(person.page.get_by_role("heading", name=name)).to_be_visible()
