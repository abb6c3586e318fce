"""The provider catalogue: complete, sound, and brought into the database again and again."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from apikeys.catalogue.fields import FieldSpec
from apikeys.catalogue.loading import load_catalogue
from apikeys.models import ApiKey, AuthScheme, Provider
from apikeys.sealing import Role
from apikeys.services import sync_providers
from tests import fakes

MakeKey = Callable[..., ApiKey]
PLACEHOLDER = re.compile(r"\{(\w+)\}")
SCHEMES = [
    pytest.param(entry["slug"], item["slug"], item, id=f"{entry['slug']}-{item['slug']}")
    for entry in load_catalogue()
    for item in entry["scheme"]
]
each_scheme = pytest.mark.parametrize(("provider", "scheme", "item"), SCHEMES)


def scheme_names(provider: str) -> list[str]:
    return [scheme.name for scheme in AuthScheme.objects.filter(provider__slug=provider)]


@pytest.mark.django_db
def test_every_known_provider_and_method_is_there() -> None:
    assert Provider.objects.count() == 77
    assert AuthScheme.objects.count() == 93  # 91 of their own, and Azure's two under OpenAI


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("provider", "names"),
    [
        ("openai", ["API key", "Azure OpenAI (API key)", "Azure OpenAI (Microsoft Entra ID)"]),
        (
            "azure",
            [
                "API key",
                "Microsoft Entra ID",
                "Server's Azure identity",
                "Entra access token (short-lived)",
            ],
        ),
        (
            "bedrock",
            ["API key (bearer token)", "Access keys", "Assume a role", "Server's default chain"],
        ),
        ("sagemaker", ["Access keys", "Assume a role", "Server's default chain"]),
        ("vertex_ai", ["Service account JSON", "Application Default Credentials"]),
        ("databricks", ["Personal access token", "OAuth M2M (service principal)"]),
        ("watsonx", ["IBM Cloud API key", "Cloud Pak for Data (Zen) key"]),
        ("snowflake", ["Programmatic access token", "Key-pair JWT"]),
        ("ollama", ["No key", "API key"]),
        ("openai_compatible", ["API key", "No key"]),
        ("anthropic", ["API key"]),
    ],
)
def test_a_provider_offers_its_methods_the_usual_one_first(provider: str, names: list[str]) -> None:
    assert scheme_names(provider) == names


@pytest.mark.django_db
def test_common_providers_come_first() -> None:
    slugs = list(Provider.objects.values_list("slug", flat=True))

    assert slugs[:6] == ["openai", "azure", "anthropic", "gemini", "vertex_ai", "bedrock"]
    groups = [provider.group for provider in Provider.objects.all()]
    assert groups.index("more") == groups.count("common")


@pytest.mark.django_db
def test_no_two_providers_answer_to_one_name() -> None:
    names = [
        name.casefold()
        for provider in Provider.objects.all()
        for name in {provider.slug, provider.name.casefold(), *provider.aliases}
    ]

    assert len(names) == len(set(names))


def test_every_provider_has_one_default_method() -> None:
    for entry in load_catalogue():
        assert [item["is_default"] for item in entry["scheme"]].count(True) == 1, entry["slug"]


@pytest.mark.django_db
@each_scheme
def test_a_method_is_declared_soundly(provider: str, scheme: str, item: dict[str, Any]) -> None:
    row = AuthScheme.objects.get(provider__slug=provider, slug=scheme)

    row.full_clean()

    assert [spec.name for spec in row.specs] == [field["name"] for field in item["fields"]]
    assert row.ambient or row.secret_specs or scheme == "none"


@each_scheme
def test_no_secret_travels_in_a_url(provider: str, scheme: str, item: dict[str, Any]) -> None:
    transport = item["transport"]
    calls = [
        transport,
        transport.get("base_url_when", {}),
        transport.get("token", {}),
        item["verify"],
    ]
    urls = [call[key] for call in calls for key in ("base_url", "url") if key in call]
    secret = {spec.name for spec in map(FieldSpec.parse, item["fields"]) if spec.secret}

    assert not secret & set(PLACEHOLDER.findall(" ".join(urls)))


@each_scheme
def test_what_a_header_is_filled_with_is_asked_for(
    provider: str, scheme: str, item: dict[str, Any]
) -> None:
    names = {field["name"] for field in item["fields"]}
    headers = item["transport"].get("headers", {})
    used = set(PLACEHOLDER.findall(" ".join(headers.values())))

    assert used <= names | {"access_token"}
    assert "access_token" not in used or item["transport"]["signer"]


@each_scheme
def test_a_default_is_one_that_its_field_takes(
    provider: str, scheme: str, item: dict[str, Any], settings: Any
) -> None:
    settings.ALLOWED_PRIVATE_ORIGINS = ["http://localhost:*"]  # where Ollama and its like run

    for spec in map(FieldSpec.parse, item["fields"]):
        assert spec.clean(spec.default).value == spec.default, spec.name


@each_scheme
def test_a_key_is_made_and_opens_towards_its_origins(
    provider: str, scheme: str, item: dict[str, Any], make_key: MakeKey
) -> None:
    made = make_key("key", provider, scheme)

    api_key = ApiKey.objects.get(pk=made.pk)
    origins = api_key.origins()
    opened = api_key.current.open_for(api_key, towards=origins)
    assert opened == fakes.credentials_for(api_key.scheme)
    assert all(
        re.fullmatch(r"https://[a-z0-9.-]+:443", origin.lower()) for origin in origins.values()
    )


@pytest.mark.django_db
def test_syncing_again_changes_nothing() -> None:
    report = sync_providers()

    assert (report.created, report.updated) == (0, 0)
    assert report.unchanged == 77 + 93


def test_syncing_restores_a_built_in_row_that_was_edited(openai: AuthScheme) -> None:
    transport = openai.transport
    AuthScheme.objects.filter(pk=openai.pk).update(
        transport={**transport, "base_url": "https://evil.example/v1"}, built_in=False
    )
    Provider.objects.filter(slug="openai").update(name="0penAI")

    report = sync_providers()

    openai = AuthScheme.objects.get(pk=openai.pk)
    assert (openai.transport, openai.built_in) == (transport, True)
    assert openai.provider.name == "OpenAI"
    assert report.updated == 2


@pytest.mark.django_db
def test_syncing_brings_back_a_provider_that_is_missing() -> None:
    Provider.objects.filter(slug="mistral").delete()

    report = sync_providers()

    assert report.created == 2
    assert scheme_names("mistral") == ["API key"]


def test_syncing_leaves_own_providers_and_own_methods_alone(openai: AuthScheme) -> None:
    own = Provider.objects.create(slug="acme", name="Acme AI", base_url="https://ai.acme.example")
    for provider in (own, openai.provider):
        AuthScheme.objects.create(
            provider=provider,
            slug="sso",
            name="Acme SSO",
            fields=openai.fields,
            transport=openai.transport,
        )

    sync_providers()

    assert scheme_names("acme") == ["Acme SSO"]
    assert "Acme SSO" in scheme_names("openai")
    assert Provider.objects.get(slug="acme").base_url == "https://ai.acme.example"


def test_a_method_that_left_the_file_stays_while_keys_use_it(
    openai: AuthScheme, make_key: MakeKey
) -> None:
    for slug in ("used", "unused"):
        AuthScheme.objects.create(
            provider=openai.provider,
            slug=slug,
            name=f"An old way, {slug}",
            fields=openai.fields,
            transport=openai.transport,
            built_in=True,
        )
    api_key = make_key("old", "openai", "used")

    sync_providers()

    assert ApiKey.objects.get(pk=api_key.pk).unreadable_because() == ""
    assert not AuthScheme.objects.filter(slug="unused").exists()


def test_an_own_provider_needs_no_deploy(openai: AuthScheme, make_key: MakeKey) -> None:
    own = Provider.objects.create(slug="acme", name="Acme AI")
    scheme = AuthScheme(
        provider=own,
        slug="api_key",
        name="API key",
        fields=[
            {"name": "api_key", "label": "API key", "secret": True, "required": True},
            {"name": "api_base", "label": "URL", "required": True, "format": "https_url"},
        ],
        transport={"base_url": "{api_base}", "headers": {"X-Acme": "{api_key}"}},
    )
    scheme.full_clean()
    scheme.save()

    api_key = make_key("acme", "acme", api_base="https://ai.acme.example/v1")

    assert api_key.origins() == {Role.API: "https://ai.acme.example:443"}


@pytest.mark.parametrize(
    ("fields", "transport"),
    [
        ([], {"base_url": "https://x.example"}),
        ("api_key", {"base_url": "https://x.example"}),
        (["api_key"], {"base_url": "https://x.example"}),
        ([{"name": "api_key"}], {"base_url": "https://x.example"}),
        ([{"name": "Api Key", "label": "K"}], {"base_url": "https://x.example"}),
        ([{"name": "name", "label": "hides the name"}], {"base_url": "https://x.example"}),
        (
            [{"name": "a", "label": "A"}, {"name": "a", "label": "A"}],
            {"base_url": "https://x.example"},
        ),
        ([{"name": "a", "label": "A", "pattern": "("}], {"base_url": "https://x.example"}),
        ([{"name": "a", "label": "A", "format": "magic"}], {"base_url": "https://x.example"}),
        ([{"name": "a", "label": "A", "kind": "file"}], {"base_url": "https://x.example"}),
        ([{"name": "a", "label": "A", "colour": "red"}], {"base_url": "https://x.example"}),
        ([{"name": "a", "label": "A", "env": 5}], {"base_url": "https://x.example"}),
        ([{"name": "a", "label": "A"}], {}),
        ([{"name": "a", "label": "A"}], {"base_url": "https://{b}"}),
        ([{"name": "a", "label": "A", "secret": True}], {"base_url": "https://x.example/{a}"}),
        ([{"name": "a", "label": "A"}], {"base_url": "https://x.example", "headers": {"X": 1}}),
        ([{"name": "a", "label": "A"}], {"base_url": "https://x.example", "headers": {"X": "{b}"}}),
        (
            [{"name": "a", "label": "A"}],
            {"base_url": "https://x.example", "headers": {"Host": "x"}},
        ),
        (
            [{"name": "a", "label": "A"}],
            {"base_url": "https://x.example", "headers": {"X\r\nY": "x"}},
        ),
        ([{"name": "a", "label": "A"}], {"base_url": "https://x.example", "signer": "magic"}),
        ([{"name": "a", "label": "A"}], {"base_url": "https://x.example", "colour": "red"}),
        ([{"name": "a", "label": "A"}], {"base_url": "http://x.example"}),
        ([{"name": "a", "label": "A"}], {"base_url": "https://169.254.169.254"}),
        ([{"name": "a", "label": "A"}], {"base_url": "https://["}),
        (
            [{"name": "a", "label": "A", "secret": True}],
            {"base_url": "https://x.example", "token": {"url": "https://x.example/?t={a}"}},
        ),
    ],
)
def test_an_unsound_declaration_is_refused(openai: AuthScheme, fields: Any, transport: Any) -> None:
    scheme = AuthScheme(
        provider=openai.provider, slug="own", name="Own", fields=fields, transport=transport
    )

    with pytest.raises(ValidationError) as refusal:
        scheme.full_clean()

    assert set(refusal.value.message_dict) <= {"fields", "transport"}
