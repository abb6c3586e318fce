"""Where the catalogue says that requests go, for providers that are nowhere but in their cloud."""

import json

import pytest

from apikeys.catalogue.loading import load_catalogue
from apikeys.sealing import Role
from endpoints.gateway.routing.destinations import Plan, plan_of

AZURE = {"api_base": "https://acme.openai.azure.com", "api_version": "2024-10-21"}
VERTEX = {"vertex_project": "acme-search", "vertex_location": "europe-west4"}
BEDROCK = {"aws_region_name": "eu-central-1"}
COHERE = {"api_base": "https://api.cohere.ai"}

OF_AZURE = "https://acme.openai.azure.com/openai"
OF_VERTEX = "https://europe-west4-aiplatform.googleapis.com/v1/projects/acme-search/locations"


def plan(provider: str, scheme: str = "api_key", /, **config: str) -> Plan:
    """Make the plan of a key of a built-in provider."""
    [entry] = [entry for entry in load_catalogue() if entry["slug"] == provider]
    [declared] = [item for item in entry["scheme"] if item["slug"] == scheme]
    return plan_of(json.dumps(declared["transport"]), json.dumps(config))


@pytest.mark.parametrize(
    ("version", "operation", "path"),
    [
        (
            "2024-10-21",
            "chat/completions",
            "deployments/gpt%2F5/chat/completions?api-version=2024-10-21",
        ),
        (
            "2025-03-01-preview",
            "embeddings",
            "deployments/gpt%2F5/embeddings?api-version=2025-03-01-preview",
        ),
        ("2024-10-21", "responses", "v1/responses"),
        ("preview", "chat/completions", "v1/chat/completions?api-version=preview"),
        ("latest", "chat/completions", "v1/chat/completions"),
    ],
)
def test_azure_serves_deployments_to_dated_versions_and_models_to_the_others(
    version: str, operation: str, path: str
) -> None:
    azure = plan("azure", **{**AZURE, "api_version": version})

    destination = azure.destination("openai", operation, "gpt/5")

    assert destination.url == f"{OF_AZURE}/{path}"
    assert destination.headers == {"api-key": "{api_key}"}
    assert azure.origins == {Role.API: "https://acme.openai.azure.com:443"}


@pytest.mark.parametrize(
    ("scheme", "header"),
    [
        ("ad_token", "Bearer {azure_ad_token}"),
        ("service_principal", "Bearer {access_token}"),
        ("managed_identity", "Bearer {access_token}"),
    ],
)
def test_azure_takes_identities_of_entra_as_bearers(scheme: str, header: str) -> None:
    destination = plan("azure", scheme, **AZURE).destination("openai", "responses", "gpt-5")

    assert destination.headers == {"authorization": header}


@pytest.mark.parametrize("path", ["openai/deployments/mine/chat/completions", "deployments/mine"])
def test_azures_own_paths_are_laid_over_its_base_url(path: str) -> None:
    destination = plan("azure", **AZURE).native_destination(path)

    assert destination.url == f"{OF_AZURE}/{path.removeprefix('openai/')}"


@pytest.mark.parametrize("method", ["generateContent", "streamGenerateContent", "countTokens"])
def test_vertex_serves_googles_methods_below_a_project(method: str) -> None:
    vertex = plan("vertex_ai", "service_account_json", **VERTEX)

    destination = vertex.google_destination(method, "gemini-2.5-pro")

    assert destination.url == (
        f"{OF_VERTEX}/europe-west4/publishers/google/models/gemini-2.5-pro:{method}"
    )
    assert destination.headers == {"authorization": "Bearer {access_token}"}


def test_vertex_speaks_openais_dialect_of_models_with_a_publisher() -> None:
    vertex = plan("vertex_ai", "service_account_json", **VERTEX)

    destination = vertex.destination("openai", "chat/completions", "gemini-2.5-pro")

    assert destination.url == f"{OF_VERTEX}/europe-west4/endpoints/openapi/chat/completions"
    assert vertex.model_for("openai", "gemini-2.5-pro") == "google/gemini-2.5-pro"
    assert vertex.model_for("openai", "meta/llama-4") == "meta/llama-4"


def test_vertex_has_a_global_location_with_a_host_of_its_own() -> None:
    vertex = plan("vertex_ai", "default_chain", **{**VERTEX, "vertex_location": "global"})

    destination = vertex.google_destination("generateContent", "models/gemini-2.5-pro")

    assert destination.url == (
        "https://aiplatform.googleapis.com/v1/projects/acme-search/locations/global"
        "/publishers/google/models/gemini-2.5-pro:generateContent"
    )


@pytest.mark.parametrize("scheme", ["api_key", "access_keys", "iam_role", "default_chain"])
def test_bedrock_speaks_openais_dialect_in_every_region(scheme: str) -> None:
    destination = plan("bedrock", scheme, **BEDROCK).destination(
        "openai", "chat/completions", "openai.gpt-oss-120b-1:0"
    )

    assert destination.url == (
        "https://bedrock-runtime.eu-central-1.amazonaws.com/openai/v1/chat/completions"
    )


def test_bedrocks_own_paths_keep_their_encoding() -> None:
    destination = plan("bedrock", **BEDROCK).native_destination("model/a.b%3A0/converse")

    assert destination.url == (
        "https://bedrock-runtime.eu-central-1.amazonaws.com/model/a.b%3A0/converse"
    )


def test_cohere_is_compatible_below_a_path_of_its_own() -> None:
    cohere = plan("cohere", **COHERE)

    assert cohere.destination("openai", "chat/completions", "command").url == (
        "https://api.cohere.ai/compatibility/v1/chat/completions"
    )
    assert cohere.native_destination("v2/chat").url == "https://api.cohere.ai/v2/chat"


def test_deepseek_speaks_anthropics_dialect_too() -> None:
    deepseek = plan("deepseek", api_base="https://api.deepseek.com")

    destination = deepseek.destination("anthropic", "messages", "deepseek-chat")

    assert destination.url == "https://api.deepseek.com/anthropic/v1/messages"
    assert destination.headers == {"x-api-key": "{api_key}"}


@pytest.mark.parametrize(
    ("base_url", "path", "url"),
    [
        ("https://a.example/v1", "v1/models", "https://a.example/v1/models"),
        ("https://a.example/v1", "models", "https://a.example/v1/models"),
        ("https://a.example/v1/", "v1/models", "https://a.example/v1/models"),
        ("https://a.example/api/v1", "v1/models", "https://a.example/api/v1/models"),
        ("https://a.example/api/v1", "api/v1/models", "https://a.example/api/v1/models"),
        ("https://a.example/api/v1", "v2/models", "https://a.example/api/v1/v2/models"),
        ("https://a.example", "v1/models/", "https://a.example/v1/models/"),
        ("https://a.example/v1", "files/", "https://a.example/v1/files/"),
        ("https://a.example/v1/v1", "v1/x", "https://a.example/v1/v1/x"),
        ("https://a.example:8443/v1", "x%2Fy", "https://a.example:8443/v1/x%2Fy"),
    ],
)
def test_a_path_is_laid_over_the_end_of_the_base_url(base_url: str, path: str, url: str) -> None:
    openai = plan("openai", api_base=base_url)

    assert openai.native_destination(path).url == url


@pytest.mark.parametrize("entry", load_catalogue(), ids=lambda entry: entry["slug"])
def test_no_dialect_leads_to_another_origin(entry: dict) -> None:
    for scheme in entry["scheme"]:
        config = {spec["name"]: "https://a.example" for spec in scheme["fields"]}
        made = plan_of(json.dumps(scheme["transport"]), json.dumps(config))
        for dialect in made.dialects:
            url = made.destination(dialect, "chat/completions", "https://evil.example/x").url
            assert url.startswith(f"{made.base_url.split('/', 3)[0]}//")
            assert made.origin.removesuffix(":443") in url
