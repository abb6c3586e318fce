"""A draft that cannot work is refused by every form and command, on the right field."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from apikeys.models import ApiKey, AuthScheme, CheckedDraft, KeyDraft
from apikeys.models.scheme_input import IN_THE_OPEN
from apikeys.sealing import Secrets
from tests.conftest import DraftKey, MakeKey
from tests.drafts import draft_of
from tests.fakes import PEM, service_account

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_private_origins(settings: Any) -> None:
    settings.ALLOWED_PRIVATE_ORIGINS = []


def errors_of(draft: CheckedDraft) -> dict[str, list[str]]:
    """Return the errors by field; none where the key is valid."""
    return ValidationError(draft.errors).message_dict


@pytest.mark.parametrize("field", ["name", "team", "description"])
def test_credentials_in_an_unencrypted_field_are_refused(draft_key: DraftKey, field: str) -> None:
    secret = "sk-proj-MadeUp" + "a1B2" * 9
    details = {"name": "key", field: f"new: {secret}"}

    errors = errors_of(draft_key(**details, secrets={"api_key": secret}))

    assert errors == {field: [IN_THE_OPEN]}


def test_credentials_in_a_setting_are_refused(draft_key: DraftKey) -> None:
    secret = "sk-proj-MadeUp" + "a1B2" * 9
    url = f"https://api.openai.com/{secret}/v1"

    assert set(errors_of(draft_key(secrets={"api_key": secret}, api_base=url))) == {"api_base"}


def test_a_short_secret_may_be_part_of_a_name(draft_key: DraftKey) -> None:
    key = draft_key("my local server", "openai_compatible", secrets={"api_key": "local"})

    assert errors_of(key) == {}


# --- Azure -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://acme.openai.azure.com",
        "https://acme-eu-2.cognitiveservices.azure.com",
        "https://acme.services.ai.azure.com",
    ],
)
def test_an_azure_endpoint_is_taken_as_it_is(draft_key: DraftKey, endpoint: str) -> None:
    api_key = draft_key(provider="azure", api_base=endpoint)

    assert errors_of(api_key) == {}
    assert api_key.config["api_base"] == endpoint
    assert not any(endpoint in note for note in api_key.notes)


@pytest.mark.parametrize(
    "pasted",
    [
        "https://acme.openai.azure.com/",
        "https://acme.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
        "https://acme.openai.azure.com/#keys",
        "https://acme.openai.azure.com?x=1",
        "https://ACME.OpenAI.Azure.com",
        "HTTPS://acme.openai.azure.com",
        "https://acme.openai.azure.com:443/",
        "acme.openai.azure.com",
        "acme.openai.azure.com/openai/v1",
    ],
)
def test_a_full_azure_url_is_reduced_to_the_endpoint_with_a_note(
    draft_key: DraftKey, pasted: str
) -> None:
    api_key = draft_key(provider="azure", api_base=f" {pasted} ")

    assert errors_of(api_key) == {}
    assert api_key.config["api_base"] == "https://acme.openai.azure.com"
    assert "Kept only the endpoint: https://acme.openai.azure.com" in api_key.notes


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://acme.openai.azure.us",
        "https://acme.openai.azure.cn",
        "https://acme.cognitiveservices.azure.us",
        "https://acme.azure-api.net",
        "https://eastus.api.cognitive.microsoft.com",
    ],
)
def test_other_azure_hosts_pass_with_a_note(draft_key: DraftKey, endpoint: str) -> None:
    api_key = draft_key(provider="azure", api_base=endpoint)

    assert errors_of(api_key) == {}
    assert api_key.config["api_base"] == endpoint
    assert any("Check that it is yours" in note for note in api_key.notes)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://acme.openai.azure.com",
        "ftp://acme.openai.azure.com",
        "https://acme.openai.azure.com.evil.example",
        "https://acme-openai.azure.com",
        "https://evilopenai.azure.com",
        "https://openai.azure.com",
        "https://.openai.azure.com",
        "https://evil.example/.openai.azure.com",
        "https://evil.example#.openai.azure.com",
        "https://evil.example?.openai.azure.com",
        "https://evil.example\\.openai.azure.com",
        "https://acme.openai.azure.com@evil.example",
        "https://user:password@acme.openai.azure.com",
        "https://acme.openai.azure.com:8443",
        "https://acme.openai.azure.com:99999",
        "https://ac me.openai.azure.com",
        "https://acmé.openai.azure.com",
        "https://x\u2100.openai.azure.com",
        "https://acme。openai.azure.com",
        "https://[",
        "https://[::1",
        "https://",
        "acme",
        "javascript:alert(1)",
        "//acme.openai.azure.com",
        "https://127.0.0.1",
    ],
)
@pytest.mark.parametrize("provider", ["azure", "openai"])
def test_what_is_no_azure_endpoint_is_refused_on_its_field(
    draft_key: DraftKey, endpoint: str, provider: str
) -> None:
    scheme = "api_key" if provider == "azure" else "azure_api_key"

    assert set(errors_of(draft_key("k", provider, scheme, api_base=endpoint))) == {"api_base"}


@pytest.mark.parametrize(
    ("provider", "scheme"),
    [
        ("azure", "api_key"),
        ("azure", "service_principal"),
        ("azure", "managed_identity"),
        ("openai", "azure_api_key"),
        ("openai", "azure_entra"),
    ],
)
def test_an_azure_key_is_never_sent_to_somewhere_else_by_default(
    draft_key: DraftKey, provider: str, scheme: str
) -> None:
    assert set(errors_of(draft_key("k", provider, scheme, api_base=""))) == {"api_base"}


@pytest.mark.parametrize("version", ["2024-10-21", "2025-03-01-preview", "preview", "latest", ""])
def test_an_azure_api_version_is_a_date_or_has_a_default(draft_key: DraftKey, version: str) -> None:
    api_key = draft_key(provider="azure", api_version=version)

    assert errors_of(api_key) == {}
    assert api_key.config["api_version"] == version or "2024-10-21"


@pytest.mark.parametrize(
    "version", ["v1", "2024", "2024-10-21-beta", "2024-10-21&x=1", "latest\npreview"]
)
def test_another_azure_api_version_is_refused(draft_key: DraftKey, version: str) -> None:
    assert set(errors_of(draft_key(provider="azure", api_version=version))) == {"api_version"}


# --- Base URLs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("https://ai.example.com/v1", "https://ai.example.com/v1"),
        ("https://ai.example.com/v1/", "https://ai.example.com/v1"),
        ("https://ai.example.com/", "https://ai.example.com"),
        ("https://AI.Example.com/V1", "https://ai.example.com/V1"),
        ("https://ai.example.com:8443", "https://ai.example.com:8443"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("https://8.8.8.8/v1", "https://8.8.8.8/v1"),
        ("https://[2606:4700::1111]/v1", "https://[2606:4700::1111]/v1"),
        ("  https://ai.example.com  ", "https://ai.example.com"),
        ("", "https://api.openai.com/v1"),
    ],
)
def test_a_base_url_is_https_and_tidied(draft_key: DraftKey, typed: str, kept: str) -> None:
    api_key = draft_key(api_base=typed)

    assert errors_of(api_key) == {}
    assert api_key.config["api_base"] == kept


@pytest.mark.parametrize(
    "url",
    [
        "http://ai.example.com",
        "ftp://ai.example.com",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "ai.example.com",
        "//ai.example.com",
        "https://",
        "https:///v1",
        "https://[",
        "https://[::1",
        "https://user:password@ai.example.com",
        "https://user@ai.example.com",
        "https://@ai.example.com",
        "https://ai.example.com?key=1",
        "https://ai.example.com/v1#top",
        "https://ai.example.com\\@evil.example",
        "https://ai.example.com\\.evil.example",
        "https://ai .example.com",
        "https://ai.example.com/v 1",
        "https://ai.example.com/v\t1",
        "https://ai.example.com/\r\nHost: evil.example",
        "https://ai.example.com:0",
        "https://ai.example.com:99999",
        "https://ai.example.com:port",
        "https://bücher.example",
        "https://ai。example.com",
        "https://x\u2100.example.com",
        "https://-ai.example.com",
        "https://ai..example.com",
        "https://%61i.example.com",
        "https://{api_key}.example.com",
    ],
)
def test_what_is_no_base_url_is_refused_on_its_field(draft_key: DraftKey, url: str) -> None:
    assert set(errors_of(draft_key(api_base=url))) == {"api_base"}


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "ollama.localhost",
        "printer.local",
        "metadata.google.internal",
        "nas.home.arpa",
        "intranet",
        "127.0.0.1",
        "127.0.0.1.",
        "127.255.255.254",
        "127.1",
        "0x7f000001",
        "0x7f.0.0.1",
        "2130706433",
        "0177.0.0.1",
        "017700000001",
        "0",
        "0.0.0.0",
        "10.0.0.5",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a00:5]",
        "[fe80::1]",
        "[fe80::1%25eth0]",
        "[fd00::1]",
    ],
)
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_private_address_is_refused_however_it_is_spelt(
    draft_key: DraftKey, scheme: str, host: str
) -> None:
    assert set(errors_of(draft_key(api_base=f"{scheme}://{host}:8000/v1"))) == {"api_base"}


@pytest.mark.parametrize("provider", ["ollama", "lm_studio", "litellm_proxy"])
def test_a_private_address_is_refused_as_a_default_too(draft_key: DraftKey, provider: str) -> None:
    assert set(errors_of(draft_key(provider=provider, api_base=""))) == {"api_base"}


def test_a_refused_private_address_says_what_the_operator_can_do(draft_key: DraftKey) -> None:
    errors = errors_of(draft_key(api_base="http://10.0.0.5:8000/v1"))

    assert "ALLOWED_PRIVATE_ORIGINS=http://10.0.0.5:8000" in errors["api_base"][0]


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://10.0.0.5:8000/v1", True),
        ("http://localhost:11434", True),
        ("http://localhost", True),
        ("https://gpu.internal", True),
        ("https://gpu.internal:443/v1", True),
        ("http://10.0.0.5:8001/v1", False),
        ("https://10.0.0.5:8000/v1", False),
        ("http://10.0.0.50:8000/v1", False),
        ("https://localhost:11434", False),
        ("http://localhost.evil.example:11434", False),
        ("https://gpu.internal:8443", False),
        ("http://user:password@localhost:11434", False),
    ],
)
def test_an_operator_may_allow_private_origins(
    draft_key: DraftKey, settings: Any, url: str, allowed: bool
) -> None:
    settings.ALLOWED_PRIVATE_ORIGINS = [
        "http://10.0.0.5:8000",
        "http://localhost:*",
        "https://gpu.internal",
    ]

    assert ("api_base" not in errors_of(draft_key(api_base=url))) is allowed


def test_an_ending_that_is_added_anyway_is_left_out(draft_key: DraftKey) -> None:
    api_key = draft_key(provider="anthropic", api_base="https://api.anthropic.com/v1")

    assert errors_of(api_key) == {}
    assert api_key.config["api_base"] == "https://api.anthropic.com"
    assert any("removed /v1" in note for note in api_key.notes)


# --- Google ------------------------------------------------------------------------------------


@pytest.mark.parametrize("project", ["acme12", "a" + "b" * 28 + "c", "acme-search-2"])
def test_a_gcp_project_id_is_taken(draft_key: DraftKey, project: str) -> None:
    assert errors_of(draft_key(provider="vertex_ai", vertex_project=project)) == {}


@pytest.mark.parametrize(
    "project",
    [
        "acme1",
        "a" * 31,
        "Acme-Search",
        "acme_search",
        "1acme-search",
        "-acme-x",
        "acme-search-",
        "acme search",
        "acme-sé",
        "a/../../x",
    ],
)
def test_what_is_no_gcp_project_id_is_refused_on_its_field(
    draft_key: DraftKey, project: str
) -> None:
    assert set(errors_of(draft_key(provider="vertex_ai", vertex_project=project))) == {
        "vertex_project"
    }


@pytest.mark.parametrize(
    "location", ["us-central1/", "evil.example/", "US-CENTRAL1", "x", "a b", "@evil"]
)
def test_what_is_no_location_is_refused_on_its_field(draft_key: DraftKey, location: str) -> None:
    errors = errors_of(draft_key(provider="vertex_ai", vertex_location=location))

    assert set(errors) == {"vertex_location"}


def test_the_location_decides_the_host(draft_key: DraftKey) -> None:
    hosts = {
        location: draft_key(
            provider="vertex_ai", vertex_location=location
        ).scheme.route.base_url_for({"vertex_project": "acme-search", "vertex_location": location})
        for location in ("europe-west4", "global")
    }

    assert hosts == {
        "europe-west4": "https://europe-west4-aiplatform.googleapis.com",
        "global": "https://aiplatform.googleapis.com",
    }


def test_only_the_location_can_be_global(draft_key: DraftKey) -> None:
    api_key = draft_key(
        provider="vertex_ai", vertex_project="global", vertex_location="europe-west4"
    )

    assert "https://europe-west4-aiplatform.googleapis.com:443" in api_key.row().origins().values()


def test_the_project_is_taken_from_the_service_account(draft_key: DraftKey) -> None:
    secrets = {"vertex_credentials": service_account(project_id="acme-from-file")}
    api_key = draft_key(provider="vertex_ai", secrets=secrets, vertex_project="")

    assert errors_of(api_key) == {}
    assert api_key.config["vertex_project"] == "acme-from-file"
    assert any("Project ID: taken from" in note for note in api_key.notes)


def test_a_project_that_differs_from_the_service_account_is_noted(draft_key: DraftKey) -> None:
    api_key = draft_key(provider="vertex_ai", vertex_project="acme-other")

    assert errors_of(api_key) == {}
    assert api_key.config["vertex_project"] == "acme-other"
    assert any("differs" in note for note in api_key.notes)


@pytest.mark.parametrize(
    "pasted",
    [
        "not JSON at all",
        '{"type": "service_account"',
        "[]",
        '"service_account"',
        "{}",
        "[" * 20_000,
        '{"type": "authorized_user", "refresh_token": "1//made-up-refresh-token"}',
        service_account(type="external_account"),
        service_account(project_id=None),
        service_account(project_id=""),
        service_account(project_id=5),
        service_account(private_key=None),
        service_account(private_key="made-up-private-key"),
        service_account(private_key=["-----BEGIN"]),
        service_account(client_email=None),
        service_account(client_email=" "),
        service_account(token_uri=None),
        service_account(token_uri="https://evil.example/token"),
        service_account(token_uri="https://oauth2.googleapis.com/token?x"),
        service_account(token_uri="http://oauth2.googleapis.com/token"),
    ],
)
def test_json_that_is_no_service_account_is_refused_without_repeating_it(
    draft_key: DraftKey, pasted: str
) -> None:
    api_key = draft_key(provider="vertex_ai", secrets={"vertex_credentials": pasted})

    errors = errors_of(api_key)

    assert set(errors) == {"vertex_credentials"}
    assert not any(
        word in str(errors) for word in ("made-up", "evil", "bWFkZSB1", "not JSON at all")
    )


def test_a_service_account_without_a_project_of_its_own_shape_is_refused_on_the_project(
    draft_key: DraftKey,
) -> None:
    secrets = {"vertex_credentials": service_account(project_id="Not A Project")}

    errors = errors_of(draft_key(provider="vertex_ai", secrets=secrets, vertex_project=""))

    assert set(errors) == {"vertex_project"}


# --- AWS ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "region", ["us-east-1", "eu-central-2", "us-gov-west-1", "ap-southeast-3", ""]
)
def test_an_aws_region_is_taken(draft_key: DraftKey, region: str) -> None:
    assert errors_of(draft_key("k", "bedrock", "access_keys", aws_region_name=region)) == {}


@pytest.mark.parametrize(
    "region",
    ["us-east", "useast1", "US-EAST-1", "us-east-1.evil.example/", "us east 1", "us-east-1a", "1"],
)
def test_what_is_no_aws_region_is_refused_on_its_field(draft_key: DraftKey, region: str) -> None:
    errors = errors_of(draft_key("k", "bedrock", "access_keys", aws_region_name=region))

    assert set(errors) == {"aws_region_name"}


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:iam::123456789012:role/gatehouse",
        "arn:aws-cn:iam::123456789012:role/path/to/gatehouse",
        "arn:aws-us-gov:iam::123456789012:role/gate+house=x,y.z@a-b_c",
    ],
)
def test_a_role_arn_is_taken(draft_key: DraftKey, arn: str) -> None:
    assert errors_of(draft_key("k", "bedrock", "iam_role", aws_role_name=arn)) == {}


@pytest.mark.parametrize(
    "arn",
    [
        "gatehouse",
        "arn:aws:iam::123456789012:user/gatehouse",
        "arn:aws:iam::12345:role/gatehouse",
        "arn:aws:iam::123456789012:role/",
        "arn:aws:sts::123456789012:role/gatehouse",
        "arn:aws:iam::123456789012:role/gate house",
        "arn:aws:iam::１２３４５６７８９０１２:role/gatehouse",
        "",
    ],
)
def test_what_is_no_role_arn_is_refused_on_its_field(draft_key: DraftKey, arn: str) -> None:
    errors = errors_of(draft_key("k", "bedrock", "iam_role", aws_role_name=arn))

    assert set(errors) == {"aws_role_name"}


def test_temporary_aws_keys_without_their_session_token_are_warned_about(
    draft_key: DraftKey,
) -> None:
    temporary = {
        "aws_access_key_id": "ASIAIOSFODNN7EXAMPLE",
        "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    }
    without = draft_key("k", "bedrock", "access_keys", secrets=temporary)
    with_token = draft_key(
        "k", "bedrock", "access_keys", secrets={**temporary, "aws_session_token": "made+up/token=="}
    )

    assert errors_of(without) == errors_of(with_token) == {}
    assert any("ASIA" in note for note in without.notes)
    assert not any("ASIA" in note for note in with_token.notes)


# --- What every method has in common -----------------------------------------------------------


def test_an_admin_key_is_warned_about(draft_key: DraftKey) -> None:
    api_key = draft_key(secrets={"api_key": "sk-admin-made-up-0123456789"})

    assert errors_of(api_key) == {}
    assert any("admin key" in note for note in api_key.notes)


@pytest.mark.parametrize(
    "secret", ["zz-unknown-prefix-123", "x1234567", "sk_live_0123456789", "7" * 500]
)
@pytest.mark.parametrize(
    ("provider", "scheme", "field"),
    [
        ("openai", "api_key", "api_key"),
        ("azure", "api_key", "api_key"),
        ("azure", "service_principal", "client_secret"),
        ("bedrock", "api_key", "api_key"),
        ("databricks", "pat_token", "api_key"),
        ("anthropic", "api_key", "api_key"),
    ],
)
def test_a_credential_of_an_unknown_form_is_never_refused(
    draft_key: DraftKey, provider: str, scheme: str, field: str, secret: str
) -> None:
    assert errors_of(draft_key("k", provider, scheme, secrets={field: secret})) == {}


@pytest.mark.parametrize(
    ("provider", "scheme", "setting", "value"),
    [
        ("openai", "api_key", "organization", "acme"),
        ("openai", "api_key", "project", "acme"),
        ("azure", "service_principal", "client_id", "not-a-uuid"),
        ("databricks", "pat_token", "api_base", "https://dbc.acme.example"),
        ("bedrock", "iam_role", "aws_session_name", "x"),
    ],
)
def test_a_setting_of_an_unconfirmed_form_is_noted_and_kept(
    draft_key: DraftKey, provider: str, scheme: str, setting: str, value: str
) -> None:
    api_key = draft_key("k", provider, scheme, **{setting: value})

    assert errors_of(api_key) == {}
    assert api_key.config[setting] == value
    assert any("Saved unchanged" in note for note in api_key.notes)


@pytest.mark.parametrize(
    ("provider", "scheme", "fields"),
    [
        ("openai", "api_key", {"api_key"}),
        ("azure", "api_key", {"api_key"}),
        ("azure", "service_principal", {"client_secret"}),
        ("bedrock", "access_keys", {"aws_access_key_id", "aws_secret_access_key"}),
        ("vertex_ai", "service_account_json", {"vertex_credentials"}),
        ("databricks", "oauth_m2m", {"client_secret"}),
        ("bedrock", "default_chain", set()),
        ("openai_compatible", "none", set()),
    ],
)
def test_a_missing_required_credential_is_shown_on_its_field(
    draft_key: DraftKey, provider: str, scheme: str, fields: set[str]
) -> None:
    assert set(errors_of(draft_key("k", provider, scheme, secrets={}))) == fields


@pytest.mark.parametrize(
    ("provider", "scheme", "field"),
    [
        ("azure", "service_principal", "tenant_id"),
        ("azure", "service_principal", "client_id"),
        ("openai_compatible", "api_key", "api_base"),
        ("snowflake", "api_key", "account"),
        ("cloudflare", "api_key", "account_id"),
        ("vertex_ai", "default_chain", "vertex_project"),
    ],
)
def test_a_missing_required_setting_is_shown_on_its_field(
    draft_key: DraftKey, provider: str, scheme: str, field: str
) -> None:
    assert set(errors_of(draft_key("k", provider, scheme, **{field: " "}))) == {field}


def test_all_errors_are_reported_at_once(draft_key: DraftKey) -> None:
    api_key = draft_key("", "azure", secrets={}, api_base="x", api_version="x", environment="moon")

    assert set(errors_of(api_key)) == {"name", "environment", "api_key", "api_base", "api_version"}


def test_a_field_that_the_method_does_not_have_is_refused(draft_key: DraftKey) -> None:
    assert set(errors_of(draft_key(aws_region_name="us-east-1"))) == {"aws_region_name"}
    assert set(errors_of(draft_key(secrets={"api_key": "k", "password": "p"}))) == {"password"}


def test_a_credential_among_the_settings_is_refused_without_repeating_it(
    draft_key: DraftKey,
) -> None:
    errors = errors_of(draft_key(api_key="sk-in-the-wrong-place"))

    assert set(errors) == {"api_key"}
    assert "wrong-place" not in str(errors)


@pytest.mark.parametrize("config", [[], "text", 5, [["api_base", "https://x.example"]], None])
@pytest.mark.parametrize("provider", ["openai", "vertex_ai", "azure"])
def test_settings_of_the_wrong_type_are_refused(
    draft_key: DraftKey, provider: str, config: Any
) -> None:
    draft = draft_key(provider=provider)

    assert errors_of(KeyDraft(draft.scheme, draft.details, config, draft.secrets).check())


@pytest.mark.parametrize("value", [5, None, ["x"], {"a": "b"}, True])
def test_a_setting_or_credential_that_is_no_text_is_refused_on_its_field(
    draft_key: DraftKey, value: Any
) -> None:
    assert set(errors_of(draft_key(api_base=value))) == {"api_base"}
    assert set(errors_of(draft_key(secrets={"api_key": value}))) == {"api_key"}


@pytest.mark.parametrize("value", ["a\0b", "a\nb", "a\u200bb", "a\u202eb", "a\x1bb", "x" * 2_001])
def test_a_setting_with_invisible_characters_is_refused_on_its_field(
    draft_key: DraftKey, value: str
) -> None:
    assert set(errors_of(draft_key(organization=value))) == {"organization"}


def test_a_key_needs_a_method_that_exists(openai: AuthScheme) -> None:
    draft = KeyDraft(None, {"name": "k"}, {}, Secrets(api_key="k"))

    assert set(errors_of(draft.check())) == {"scheme"}


def test_an_environment_is_one_of_three(draft_key: DraftKey) -> None:
    assert set(errors_of(draft_key(environment="moon"))) == {"environment"}


# --- Names -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "MY-OPENAI-KEY",
        "  my-openai-key  ",
        "my-openai-key\u00a0",
        "ｍｙ-openai-key",
        "my-openai-key\ufe0f",
        "my\u200d-openai-key",
    ],
)
def test_a_name_is_taken_in_any_spelling(make_key: MakeKey, draft_key: DraftKey, name: str) -> None:
    make_key("my-openai-key")

    assert errors_of(draft_key(name)) == {"name": ["Another API key already has this name."]}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Straße", "STRASSE"),
        ("café", "cafe\u0301"),
        ("ﬁne", "FINE"),
        ("two words", "two  words"),
        ("ΟΔΟΣ", "οδος"),
        ("①", "1"),
    ],
)
def test_two_forms_of_one_name_are_the_same(
    make_key: MakeKey, draft_key: DraftKey, one: str, other: str
) -> None:
    make_key(one)

    assert set(errors_of(draft_key(other))) == {"name"}


def test_a_key_may_keep_its_own_name(make_key: MakeKey) -> None:
    api_key = make_key("my-openai-key")
    api_key.name = "My-OpenAI-Key"

    assert errors_of(draft_of(api_key)) == {}


@pytest.mark.parametrize(
    "name",
    [
        "search 🔑 🇫🇷 👩‍💻",
        "مفتاح",
        "מפתח ראשי",
        "می‌خواهم",
        "<script>alert(1)</script>",
        "' OR 1=1; --",
        "{{ 7*7 }} %s {0}",
        "日本語のキー",
        "a" * 80,
        "../../etc/passwd",
    ],
)
def test_people_name_things_as_they_like(make_key: MakeKey, name: str) -> None:
    assert ApiKey.objects.get(pk=make_key(name).pk).name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "\u00a0",
        "\u200d",
        "\ufe0f",
        "a\u200bb",
        "a\0b",
        "a\nb",
        "a\rb",
        "a\tb",
        "a\x1b[31mb",
        "a\x7fb",
        "a\x85b",
        "a\u2028b",
        "a\u202eb",
        "a\u2066b",
        "a\u00adb",
        "a\ufeffb",
        "a\ud800b",
        "a" * 81,
        "\u3164",
        "\u2800",
    ],
)
def test_a_name_that_cannot_be_seen_or_read_is_refused(draft_key: DraftKey, name: str) -> None:
    assert set(errors_of(draft_key(name))) == {"name"}


def test_surrounding_and_doubled_spaces_are_tidied(make_key: MakeKey) -> None:
    assert make_key("  my   key ").name == "my key"


def test_a_description_has_lines_and_a_team_has_one(draft_key: DraftKey) -> None:
    assert errors_of(draft_key(description="one\n\ttwo\r\nthree <b> 🔑")) == {}
    assert set(errors_of(draft_key(description="a\0b"))) == {"description"}
    assert set(errors_of(draft_key(description="a\u202eb"))) == {"description"}
    assert set(errors_of(draft_key(description="x" * 1_001))) == {"description"}
    assert set(errors_of(draft_key(team="a\nb"))) == {"team"}
    assert set(errors_of(draft_key(team="x" * 81))) == {"team"}


def test_a_secret_pasted_as_a_name_or_pem_as_a_setting_is_no_crash(draft_key: DraftKey) -> None:
    assert set(errors_of(draft_key(PEM, organization=PEM))) == {"name", "organization"}
