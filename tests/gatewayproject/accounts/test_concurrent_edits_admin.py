"""Two people edit one row in the admin: changes are merged, or shown side by side."""

from threading import Thread
from typing import Any

import pytest
from django.contrib.admin import options
from django.contrib.auth.models import User
from django.db import connection, connections, models
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from pytest_django.asserts import assertContains

from apikeys.models import AuthScheme, Provider
from apikeys.services.providers import create_provider
from endpoints.models import Endpoint, Route
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.forms.merge import ReviewWidget
from gatewayproject.accounts.forms.units import unit_of
from gatewayproject.accounts.models import AuditEvent
from tests.conftest import MakeEndpoint, MakeKey, MakeToken

pytestmark = pytest.mark.django_db

# Of each model that is edited in the admin: a field that one changes, and another that both do.
FIELDS = {
    "apikey": ("team", "description"),
    "endpoint": ("enabled", "description"),
    "gatewaytoken": ("expires_at", "name"),
    "provider": ("position", "name"),
    "authscheme": ("position", "name"),
}
every_model = pytest.mark.parametrize("kind", FIELDS)
Rows = dict[str, models.Model]


@pytest.fixture
def rows(make_key: MakeKey, make_endpoint: MakeEndpoint, make_token: MakeToken, by: Actor) -> Rows:
    key = make_key()
    endpoint = make_endpoint("search", key)
    provider = Provider(name="Acme", slug="acme", base_url="https://acme.example/v1")
    scheme = create_provider(provider, by=by)
    assert scheme is not None
    return {
        "apikey": key,
        "endpoint": endpoint,
        "gatewaytoken": make_token("search-service", endpoint),
        "provider": provider,
        "authscheme": scheme,
    }


@pytest.fixture
def other(db: None) -> Client:
    """A browser in which another operator is signed in."""
    client = Client()
    client.force_login(User.objects.create_superuser("lee"))
    return client


def page_of(row: models.Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def form_of(response: HttpResponse) -> dict[str, Any]:
    """Return what a browser would post of the form on the page, untouched."""
    inlines = response.context["inline_admin_formsets"]
    formsets = [inline.formset for inline in inlines if inline.formset.forms]
    forms = [form for formset in formsets for form in (formset.management_form, *formset.forms)]
    data: dict[str, Any] = {}
    for form in (response.context["adminform"].form, *forms):
        for name, field in form.fields.items():
            widget = field.widget
            if isinstance(widget, ReviewWidget):
                data.update(widget.review["kept"])
            else:
                posted = unit_of(form, name).inputs
                data |= {key: ", ".join(texts) for key, texts in posted.items() if texts}
    return data


def changed(data: dict[str, Any], field: str, text: str) -> dict[str, Any]:
    """Return ``data`` with another value of ``field``: which one, ``text`` decides."""
    match field:
        case "enabled":
            return {name: value for name, value in data.items() if name != "enabled"}
        case "expires_at":
            return data | {"expires_at_0": "2099-01-01", "expires_at_1": "00:00:00"}
        case "position":
            return data | {"position": "7"}
    return data | {field: text}


def value_of(row: models.Model, field: str) -> Any:
    return getattr(type(row)._default_manager.get(pk=row.pk), field)


@every_model
def test_changes_of_different_fields_are_both_saved(
    client: Client, other: Client, rows: Rows, kind: str
) -> None:
    row, (theirs, mine) = rows[kind], FIELDS[kind]
    form = form_of(client.get(page_of(row)))
    other.post(page_of(row), changed(form_of(other.get(page_of(row))), theirs, "Theirs"))
    after_theirs = value_of(row, theirs)
    assert after_theirs != getattr(row, theirs)

    response = client.post(page_of(row), changed(form, mine, "Mine"), follow=True)

    assertContains(response, "Lee changed")  # Django capitalizes messages
    assertContains(response, "Your changes and theirs were saved.")
    assert (value_of(row, theirs), value_of(row, mine)) == (after_theirs, "Mine")
    assert AuditEvent.objects.about(row).first().fields == [mine]


def test_endpoints_that_two_people_add_to_a_token_are_merged_one_by_one(
    client: Client, other: Client, rows: Rows, make_endpoint: MakeEndpoint
) -> None:
    for name in ("answers", "billing"):
        make_endpoint(name, None)
    row = rows["gatewaytoken"]
    form = form_of(client.get(page_of(row)))
    theirs = form_of(other.get(page_of(row))) | {"endpoints": "answers, search"}
    other.post(page_of(row), theirs)

    response = client.post(page_of(row), form | {"endpoints": "search, billing"})

    assert response.status_code == 302
    names = {endpoint.name for endpoint in row.endpoints.all()}
    assert names == {"answers", "billing", "search"}


@every_model
@pytest.mark.parametrize("choice", ["mine", "theirs"])
def test_changes_of_one_field_are_shown_side_by_side(
    client: Client, other: Client, rows: Rows, kind: str, choice: str
) -> None:
    row, field = rows[kind], FIELDS[kind][1]
    form = form_of(client.get(page_of(row)))
    other.post(page_of(row), changed(form_of(other.get(page_of(row))), field, "Theirs"))

    response = client.post(page_of(row), changed(form, field, "Mine"))

    assertContains(response, "while you were editing. Nothing is saved yet.", status_code=409)
    assertContains(response, '<bdi class="review-value">Theirs</bdi>', status_code=409)
    assertContains(response, '<bdi class="review-value">Mine</bdi>', status_code=409)
    assert client.post(page_of(row), form_of(response)).status_code == 409
    assert value_of(row, field) == "Theirs"
    chosen = client.post(page_of(row), form_of(response) | {f"choice-{field}": choice})
    assert chosen.status_code == 302
    assert value_of(row, field) == choice.capitalize()


@every_model
@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite lets one writer in at a time, from the beginning"
)
def test_a_save_at_the_same_moment_is_shown_on_the_form(
    client: Client, other: Client, rows: Rows, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, (theirs, mine) = rows[kind], FIELDS[kind]
    form = form_of(client.get(page_of(row)))
    their_form = changed(form_of(other.get(page_of(row))), theirs, "Theirs")
    real = options.all_valid
    seconds = iter([True])

    def save() -> None:
        other.post(page_of(row), their_form)
        connections.close_all()

    def validated_then_overtaken(formsets: Any) -> bool:
        valid = real(formsets)
        if next(seconds, False):
            overtaking = Thread(target=save)
            overtaking.start()
            overtaking.join()
        return valid

    monkeypatch.setattr(options, "all_valid", validated_then_overtaken)

    response = client.post(page_of(row), changed(form, mine, "Mine"))

    assertContains(response, "Nothing is saved yet. Review, then save.", status_code=409)
    assertContains(response, "lee changed", status_code=409)
    assert value_of(row, mine) != "Mine"
    assert client.post(page_of(row), form_of(response)).status_code == 302
    assert value_of(row, mine) == "Mine"
    assert value_of(row, theirs) != getattr(row, theirs)


@every_model
def test_an_invalid_form_is_422(client: Client, rows: Rows, kind: str) -> None:
    row = rows[kind]
    form = form_of(client.get(page_of(row)))

    assert client.post(page_of(row), form | {"name": ""}).status_code == 422


def test_routes_that_another_operator_added_stay(
    client: Client, other: Client, rows: Rows, make_key: MakeKey
) -> None:
    endpoint, second = rows["endpoint"], make_key("second")
    form = form_of(client.get(page_of(endpoint)))
    added = {
        "routes-TOTAL_FORMS": "2",
        "routes-1-kind": "fallback",
        "routes-1-position": "1",
        "routes-1-api_key": str(second.pk),
        "routes-1-model": "gpt-4",
        "routes-1-weight": "100",
    }
    other.post(page_of(endpoint), form_of(other.get(page_of(endpoint))) | added)
    assert Route.objects.count() == 2

    assert client.post(page_of(endpoint), form | {"description": "Mine"}).status_code == 302

    assert list(Route.objects.values_list("model", flat=True)) == ["gpt-5-mini", "gpt-4"]
    assert Endpoint.objects.get().description == "Mine"
    response = client.post(page_of(endpoint), form | {"routes-0-model": "mine-1"})
    assertContains(response, "Fallback: gpt-4", status_code=409)
    assertContains(response, "Primary: mine-1", status_code=409)
    assert Route.objects.count() == 2


def test_a_scheme_deleted_concurrently_ends_at_the_index(
    client: Client, other: Client, rows: Rows
) -> None:
    scheme = rows["authscheme"]
    form = form_of(client.get(page_of(scheme)))
    AuthScheme.objects.filter(pk=scheme.pk).delete()

    assert client.post(page_of(scheme), form).status_code == 302
