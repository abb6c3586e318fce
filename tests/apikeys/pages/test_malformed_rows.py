"""Rows written without the models are unreadable, and can be repaired: never a crash."""

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from pytest_django.asserts import assertContains

from apikeys.models import ApiKey, AuthScheme, CredentialVersion, Provider
from apikeys.services.master_key_rotation import rotate_master_key
from gatewayproject.accounts.actors import Actor
from tests.conftest import MakeEndpoint
from tests.fakes import OPENAI_KEY

pytestmark = pytest.mark.django_db

JUNK: list[Any] = [None, 5, "text", ["x"], {"x": 5}]
DEEP = "[" * 999 + "]" * 999  # SQLite takes no more
CONFIG = [*JUNK, [], {"api_base": 5}]
TRANSPORT = [
    *JUNK,
    {},
    {"base_url": 5},
    {"base_url": "{api_base}", "headers": ["x"]},
    {"base_url": "{api_base}", "headers": {"X": 5}},
    {"base_url": "{api_base}", "signer": "nobody"},
    {"base_url": "{api_base}", "token": "x"},
    {"base_url": "{api_base}", "dialects": ["openai"]},
    {"base_url": "{api_base}", "dialects": {"openai": 5}},
    {"base_url": "{api_base}", "base_url_when": {"field": "x"}},
    {"base_url": "{api_base}", "expiry": {"prefix": 5}},
]
FIELDS = [*JUNK, [{"name": 5}], [{"name": "a", "label": "A", "pattern": "("}], [None]]
VERIFY = [*JUNK, {"url": 5}, {"url": "x", "ok": "all"}, {"url": "x", "method": "BREW"}]
FACTS = [
    *JUNK,
    {"key_patterns": 5},
    {"key_patterns": [{"prefix": 5}]},
    {"other_base_urls": [{}]},
    {"other_base_urls": [{"url": "https://["}, {"url": "x"}]},
]
# Columns that are read apart from each other are malformed in one case.
CASES = [
    *[("config", value) for value in CONFIG],
    *[("transport", value) for value in TRANSPORT],
    *[("fields", value) for value in FIELDS],
    *[("verify", value) for value in VERIFY],
    *[("facts", value) for value in FACTS],
    ("aliases", None),
    *[("aliases parts changes", value) for value in JUNK[1:]],
    *[
        (columns, DEEP)
        for columns in ("config", "transport", "fields", "verify", "facts", "aliases parts changes")
    ],
]
each_case = pytest.mark.parametrize(
    ("columns", "value"),
    CASES,
    ids=[f"{columns}={'deep' if value == DEEP else json.dumps(value)}" for columns, value in CASES],
)
UNREADABLE = ("config", "transport")  # what the gateway reads


@pytest.fixture
def provider() -> Provider:
    """An own provider: what is built in cannot be edited, and every migrate repairs it."""
    provider = Provider.objects.create(
        slug="house", name="House AI", base_url="https://ai.house.example/v1"
    )
    scheme = AuthScheme(
        provider=provider,
        slug="api_key",
        name="API key",
        fields=[
            {"name": "api_key", "label": "API key", "secret": True, "required": True},
            {"name": "api_base", "label": "URL", "kind": "url", "format": "https_url",
             "default": "https://ai.house.example/v1"},
        ],
        transport={"base_url": "{api_base}", "headers": {"Authorization": "Bearer {api_key}"}},
        verify={"url": "{base_url}/models"},
    )  # fmt: skip
    scheme.full_clean()
    scheme.save()
    return provider


@pytest.fixture
def api_key(
    provider: Provider, make_key: Callable[..., ApiKey], make_endpoint: MakeEndpoint
) -> ApiKey:
    key = make_key("house-key", "house", secrets={"api_key": OPENAI_KEY})
    make_endpoint("search", key)
    return key


def write(key: ApiKey, columns: str, value: Any) -> None:
    for column in columns.split():
        match column:
            case "config":
                rows: Any = ApiKey.objects.filter(pk=key.pk)
            case "facts" | "aliases":
                rows = Provider.objects.filter(pk=key.provider.pk)
            case "parts" | "changes":
                rows = CredentialVersion.objects.filter(api_key=key)
            case _:
                rows = AuthScheme.objects.filter(pk=key.scheme_id)
        write_column(rows, column, value)


def write_column(rows: Any, column: str, value: Any) -> None:
    with connection.cursor() as cursor:  # with SQL: the JSON null is no SQL null
        table = connection.ops.quote_name(rows.model._meta.db_table)
        cast = "::jsonb" if connection.vendor == "postgresql" else ""
        where = " OR ".join(["id = %s"] * len(rows))
        ids = [row.pk.hex if connection.vendor == "sqlite" and hasattr(row.pk, "hex") else row.pk
               for row in rows]  # fmt: skip
        text = DEEP if value == DEEP else json.dumps(value)
        cursor.execute(f'UPDATE {table} SET "{column}" = %s{cast} WHERE {where}', [text, *ids])


def pages_of(key: ApiKey) -> list[str]:
    own = f"/api-keys/{key.pk}"
    acts = ("edit", "delete", "stage", "test", "disable", "promote", "roll-back")
    admin = f"/admin/apikeys/apikey/{key.pk}"
    scheme, provider = key.scheme_id, key.provider.pk
    return [
        "/",
        "/api-keys/?q=house&provider=house",
        "/api-keys/new/?provider=house",
        f"{own}/",
        *(f"{own}/{act}/" for act in acts),
        "/encryption/?check=every",
        "/endpoints/",
        "/endpoints/search/",
        "/admin/apikeys/apikey/",
        f"{admin}/change/",
        f"{admin}/credentials/",
        f"{admin}/delete/",
        "/admin/apikeys/authscheme/?q=house",
        f"/admin/apikeys/authscheme/{scheme}/change/",
        f"/admin/apikeys/authscheme/{scheme}/delete/",
        "/admin/apikeys/provider/?q=house",
        f"/admin/apikeys/provider/{provider}/change/",
        f"/admin/apikeys/provider/{provider}/delete/",
    ]


@each_case
def test_every_page_opens(client: Client, api_key: ApiKey, columns: str, value: Any) -> None:
    write(api_key, columns, value)

    for url in pages_of(api_key):
        assert client.get(url).status_code in (200, 404), url


def typed(key: ApiKey, **more: str) -> dict[str, str]:
    return {
        "name": key.name,
        "environment": "production",
        "rev": str(ApiKey.objects.get(pk=key.pk).rev),
        "api_base": "https://ai.house.example/v1",
        **more,
    }


@each_case
def test_no_form_crashes(client: Client, api_key: ApiKey, columns: str, value: Any) -> None:
    write(api_key, columns, value)
    own, admin = f"/api-keys/{api_key.pk}", f"/admin/apikeys/apikey/{api_key.pk}"

    for url, data in (
        ("/api-keys/new/", typed(api_key, name="new", provider="house", api_key=OPENAI_KEY)),
        (f"{admin}/change/", typed(api_key, revision="1")),
        (f"{admin}/credentials/", typed(api_key, api_key=OPENAI_KEY)),
        (f"{own}/stage/", typed(api_key, api_key="sk-another-made-up-key-0000")),
        (f"{own}/promote/", typed(api_key, confirmation=api_key.name)),
        (f"{own}/roll-back/", typed(api_key)),
        (f"{own}/edit/", typed(api_key)),
        (f"{own}/disable/", typed(api_key)),
    ):
        assert client.post(url, data).status_code in (200, 302, 404, 409, 422), url


@pytest.mark.parametrize("value", CONFIG, ids=json.dumps)
def test_the_edit_page_repairs_settings_once_the_secret_is_entered_again(
    client: Client, api_key: ApiKey, value: Any
) -> None:
    write(api_key, "config", value)
    assertContains(client.get("/api-keys/"), "Unreadable")
    assertContains(client.get(f"/api-keys/{api_key.pk}/"), "stored settings are malformed")
    edit = f"/api-keys/{api_key.pk}/edit/"

    assert client.post(edit, typed(api_key)).status_code == 422
    assert client.post(edit, typed(api_key, api_key=OPENAI_KEY)).status_code == 302

    key = ApiKey.objects.with_details().get(pk=api_key.pk)
    assert key.config == {"api_base": "https://ai.house.example/v1"}
    assert key.unreadable_because() == ""
    assert key.is_readable()


def opened_with(client: Client, url: str) -> dict[str, str]:
    """Return what the admin's form tells about the values that it was opened with."""
    form = client.get(url).context["adminform"].form
    return {name: form[name].value() for name in ("seen", "base")}


@pytest.mark.parametrize(
    ("column", "value"), [case for case in CASES if case[0] in ("transport", "fields", "verify")]
)
def test_the_admin_repairs_a_scheme(
    client: Client, api_key: ApiKey, column: str, value: Any
) -> None:
    good = {name: getattr(api_key.scheme, name) for name in ("fields", "transport", "verify")}
    write(api_key, column, value)
    url = f"/admin/apikeys/authscheme/{api_key.scheme_id}/change/"
    form = {"name": "API key", "position": "0", **{n: json.dumps(v) for n, v in good.items()}}

    assert client.post(url, form | opened_with(client, url)).status_code == 302

    key = ApiKey.objects.with_details().get(pk=api_key.pk)
    assert key.unreadable_because() == ""


@pytest.mark.parametrize("value", FACTS, ids=json.dumps)
def test_the_admin_repairs_the_facts_of_a_provider(
    client: Client, api_key: ApiKey, value: Any
) -> None:
    write(api_key, "facts", value)
    provider = Provider.objects.get(slug="house")
    is_malformed = not provider.has_facts()
    url = f"/admin/apikeys/provider/{provider.pk}/change/"
    form = {"name": "House AI", "group": "self_hosted", "position": "7", "facts": "{}",
            "base_url": "https://new.house.example/v1", "aliases": "", "schemes-TOTAL_FORMS": "0",
            "schemes-INITIAL_FORMS": "0"}  # fmt: skip

    assert client.post(url, form | opened_with(client, url)).status_code == 302

    provider.refresh_from_db()
    assert provider.has_facts()
    assert provider.facts == {} or not is_malformed


def run(command: str, *args: str, **options: Any) -> str:
    out = StringIO()
    try:
        call_command(command, *args, stdout=out, stderr=out, **options)
    except CommandError as error:
        out.write(str(error))
    return out.getvalue()


@each_case
def test_commands_list_it_and_go_on(api_key: ApiKey, columns: str, value: Any) -> None:
    write(api_key, columns, value)

    rows = json.loads(run("list_api_keys", json=True))
    assert [row["readable"] for row in rows] == [columns not in UNREADABLE]
    run("rotation_due")
    run("rotate_api_key", "house-key", test=True)
    run("rotate_api_key", "house-key", roll_back=True)
    run("rotate_master_key", dry_run=True)
    run("sync_providers")
    run("dumpdata")
    run("check", databases=["default"])
    run("disable_api_key", "house-key")


SEALED: list[Any] = [b"", b"junk", b"\xff\x00", b"gAAAA", b"gAAAAA==" * 40]
if connection.vendor == "sqlite":
    SEALED += ["text", "gAAAAABk", 5, 1.5, 10**18]  # its columns hold whatever is put there


@pytest.mark.parametrize("value", SEALED, ids=repr)
def test_what_was_never_sealed_is_unreadable_and_replaced(
    client: Client, api_key: ApiKey, make_key: Callable[..., ApiKey], value: Any, by: Actor
) -> None:
    make_key("other")
    with connection.cursor() as cursor:
        pk = api_key.current_id.hex if connection.vendor == "sqlite" else api_key.current_id
        cursor.execute(
            "UPDATE apikeys_credentialversion SET sealed = %s WHERE id = %s", [value, pk]
        )

    assertContains(client.get("/api-keys/"), "Unreadable", 1)
    for url in pages_of(api_key):
        assert client.get(url).status_code in (200, 404), url
    report = rotate_master_key(by=by)
    assert [name.split()[-1] for name in report.unreadable] == [str(api_key.current_id)]
    run("dumpdata")
    edit = typed(api_key, api_key=OPENAI_KEY)
    assert client.post(f"/api-keys/{api_key.pk}/edit/", edit).status_code == 302
    assert ApiKey.objects.get(pk=api_key.pk).unreadable_because() == ""
