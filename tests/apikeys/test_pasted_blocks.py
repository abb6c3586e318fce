"""What people paste around a credential: shell, `.env`, JSON, YAML, Python, curl, whole blocks."""

import json
import re

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from apikeys.catalogue.fields import FieldSpec
from apikeys.catalogue.loading import load_catalogue
from apikeys.catalogue.pasted_text import MAX_DOCUMENT, clean_credential, divide, parse
from apikeys.models import AuthScheme, CheckedDraft, KeyDraft, Provider
from apikeys.sealing import Secrets
from apikeys.services.recognition import recognize
from tests.fakes import OPENAI_KEY, config_for, credentials_for

pytestmark = pytest.mark.django_db

OPENAI_FIELDS = [
    FieldSpec.parse(field)
    for entry in load_catalogue()
    if entry["slug"] == "openai"
    for field in entry["scheme"][0]["fields"]
]
AWS_ID, AWS_SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
AWS_TOKEN = "IQoJb3JpZ2luX2VjEMadeUp//////////wEaCXVzLWVhc3QtMSJHMEU="
CLAUDE_KEY = "sk-ant-api03-MadeUpForTests0000000000000000"
AZURE = "https://acme.openai.azure.com"
AZURE_KEY = "0123456789abcdef0123456789abcdef"


def typed(provider: str, scheme: str, /, *, anyway: bool = False, **fields: str) -> CheckedDraft:
    """Return a new key that was filled in with ``fields``, checked as a form would."""
    row = AuthScheme.objects.select_related("provider").get(provider__slug=provider, slug=scheme)
    config = {
        spec.name: fields.get(spec.name, spec.default)
        for spec in row.config_specs
        if fields.get(spec.name, spec.default)
    }
    secrets = Secrets({spec.name: fields.get(spec.name, "") for spec in row.secret_specs})
    draft = KeyDraft(row, {"name": "my-key"}, config, secrets, anyway).check()
    draft.valid_row()
    return draft


def refusal_of(provider: str, scheme: str, /, **fields: str) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as refusal:
        typed(provider, scheme, **fields)
    return refusal.value.message_dict


BLOCKS = {
    "semicolon": f"OPENAI_API_KEY={OPENAI_KEY};",
    "comma": f'OPENAI_API_KEY: "{OPENAI_KEY}",',
    "comment": f"OPENAI_API_KEY={OPENAI_KEY} # production",
    "quoted comment": f"export OPENAI_API_KEY='{OPENAI_KEY}'   # production",
    "set": f"set OPENAI_API_KEY={OPENAI_KEY}",
    "setx": f"setx OPENAI_API_KEY {OPENAI_KEY}",
    "setx quoted": f'setx OPENAI_API_KEY "{OPENAI_KEY}" /M',
    "PowerShell": f'$env:OPENAI_API_KEY="{OPENAI_KEY}"',
    "docker": f"docker run --rm -e OPENAI_API_KEY={OPENAI_KEY} -e DEBUG=1 acme/shop:2",
    "docker --env": f'docker run --env "OPENAI_API_KEY={OPENAI_KEY}" acme/shop',
    "docker file": f"ENV OPENAI_API_KEY={OPENAI_KEY}",
    "-e": f"-e OPENAI_API_KEY={OPENAI_KEY}",
    "compact JSON": json.dumps({"OPENAI_API_KEY": OPENAI_KEY}, separators=(",", ":")),
    "JSON": json.dumps({"model": "gpt-5", "openai": {"api_key": OPENAI_KEY}}, indent=2),
    "a line of JSON": f'"OPENAI_API_KEY": "{OPENAI_KEY}",',
    "YAML": f"openai:\n  base_url: https://api.openai.com/v1\n  api_key: {OPENAI_KEY}\n",
    "YAML, one line": f"api_key: {OPENAI_KEY}",
    ".env": f"# shop\nDEBUG=1\nANTHROPIC_API_KEY={CLAUDE_KEY}\nOPENAI_API_KEY={OPENAI_KEY}\nX=y\n",
    ".env, quotes": f'OTHER_TOKEN="abc def"\nexport OPENAI_API_KEY="{OPENAI_KEY}"',
    "Python": f'client = OpenAI(api_key="{OPENAI_KEY}")',
    "Python, lines": f"client = OpenAI(\n    base_url='x',\n    api_key='{OPENAI_KEY}',\n)",
    "Python environ": f'os.environ["OPENAI_API_KEY"] = "{OPENAI_KEY}"',
    "Node": f'const client = new OpenAI({{ apiKey: "{OPENAI_KEY}" }});',
    "curl": f'curl https://api.openai.com/v1/models -H "Authorization: Bearer {OPENAI_KEY}"',
    "curl, lines": "curl https://api.openai.com/v1/chat/completions \\\n"
    '  -H "Content-Type: application/json" \\\n'
    f'  -H "Authorization: Bearer {OPENAI_KEY}" \\\n'
    '  -d \'{"model": "gpt-5", "messages": [{"content": "token: abcdef"}]}\'',
    "curl --header": f"curl --header 'Authorization: Bearer {OPENAI_KEY}' https://api.openai.com",
    "header in quotes": f'"Authorization": "Bearer {OPENAI_KEY}"',
}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
@pytest.mark.parametrize("joined", [False, True], ids=["as it is", "line ends became spaces"])
def test_the_key_is_found_in_what_was_pasted(block: str, joined: bool) -> None:
    if joined and "#" in block:
        return  # a comment would not end
    key = typed("openai", "api_key", api_key=" ".join(block.split("\n")) if joined else block)

    assert dict(key.secrets) == {"api_key": OPENAI_KEY}
    assert key.config == {"api_base": "https://api.openai.com/v1"}
    assert any("pasted text" in note or "Kept only" in note for note in key.notes)
    assert not [note for note in key.notes if OPENAI_KEY[:12] in note]


@pytest.mark.parametrize(
    ("provider", "block"),
    [
        ("anthropic", f'curl https://api.anthropic.com/v1 -H "x-api-key: {CLAUDE_KEY}" -d x'),
        (
            "gemini",
            "curl 'https://generativelanguage.googleapis.com/v1?key=AI" + "zaSyMadeUp-123456'",
        ),
    ],
)
def test_the_key_is_found_where_a_provider_has_it(provider: str, block: str) -> None:
    key = typed(provider, "api_key", api_key=block)

    assert key.secrets["api_key"] in (CLAUDE_KEY, "AIza" + "SyMadeUp-123456")


AWS_BLOCKS = {
    "ini": f"[default]\naws_access_key_id = {AWS_ID}\naws_secret_access_key = {AWS_SECRET}\n"
    f"aws_session_token = {AWS_TOKEN}\nregion = eu-west-1",
    "export": f'export AWS_ACCESS_KEY_ID="{AWS_ID}"\nexport AWS_SECRET_ACCESS_KEY="{AWS_SECRET}"\n'
    f'export AWS_SESSION_TOKEN="{AWS_TOKEN}"\nexport AWS_REGION=eu-west-1',
    "one line": f"AWS_ACCESS_KEY_ID={AWS_ID} AWS_SECRET_ACCESS_KEY={AWS_SECRET} "
    f"AWS_SESSION_TOKEN={AWS_TOKEN} AWS_DEFAULT_REGION=eu-west-1",
    "sts": json.dumps(
        {
            "Credentials": {
                "AccessKeyId": AWS_ID,
                "SecretAccessKey": AWS_SECRET,
                "SessionToken": AWS_TOKEN,
                "Expiration": "2030-01-01T00:00:00Z",
            },
            "Region": "eu-west-1",
        }
    ),
}


@pytest.mark.parametrize("block", AWS_BLOCKS.values(), ids=AWS_BLOCKS)
@pytest.mark.parametrize("field", ["aws_access_key_id", "aws_secret_access_key"])
def test_a_block_of_aws_credentials_fills_all_its_fields(block: str, field: str) -> None:
    key = typed("bedrock", "access_keys", **{field: block})

    assert dict(key.secrets) == {
        "aws_access_key_id": AWS_ID,
        "aws_secret_access_key": AWS_SECRET,
        "aws_session_token": AWS_TOKEN,
    }
    assert key.config["aws_region_name"] == "eu-west-1"


def test_a_field_that_was_typed_is_not_overwritten_by_a_block() -> None:
    key = typed(
        "bedrock",
        "access_keys",
        aws_access_key_id=AWS_BLOCKS["ini"],
        aws_secret_access_key="A" * 40,
        aws_region_name="us-west-2",
    )

    assert key.secrets["aws_secret_access_key"] == "A" * 40
    assert key.config["aws_region_name"] == "us-west-2"


def test_azure_takes_endpoint_version_and_deployment_from_a_curl_command() -> None:
    url = f"{AZURE}/openai/deployments/gpt-5-eu/chat/completions?api-version=2025-03-01-preview"
    block = f'curl "{url}" -H "api-key: {AZURE_KEY}" -H "Content-Type: application/json"'

    key = typed("azure", "api_key", api_key=block)

    assert dict(key.secrets) == {"api_key": AZURE_KEY}
    assert key.config == {
        "api_base": "https://acme.openai.azure.com",
        "api_version": "2025-03-01-preview",
    }
    assert "Use gpt-5-eu as the model of the endpoint." in key.notes


def test_azure_takes_the_version_from_a_url_typed_as_the_endpoint() -> None:
    url = f"{AZURE}/openai/deployments/x/chat/completions?api-version=2025-03-01-preview"

    key = typed("azure", "api_key", api_key=AZURE_KEY, api_base=url)

    assert key.config["api_version"] == "2025-03-01-preview"


def test_a_pasted_base_url_never_replaces_the_providers_own() -> None:
    evil = "https://evil.example.com/v1"
    block = f"OPENAI_API_KEY={OPENAI_KEY}\nOPENAI_BASE_URL={evil}\napi_base={evil}"

    key = typed("openai", "api_key", api_key=block)

    assert key.config["api_base"] == "https://api.openai.com/v1"


def test_several_keys_without_a_known_name_are_not_guessed_at() -> None:
    errors = refusal_of(
        "openai", "api_key", api_key="FIRST_TOKEN=abcdefgh1\nSECOND_TOKEN=abcdefgh2"
    )

    assert errors == {"api_key": ["The key contains spaces. Paste only the key."]}


STAND_INS = {
    "placeholder": [
        "YOUR_API_KEY",
        "<your-key>",
        "your-openai-api-key",
        "sk-your-key-here",
        "sk-xxxx",
        "sk-XXXXXXXXXXXX",
        "xxxx-xxxx-xxxx",
        "[API KEY]",
        "changeme",
        "API_KEY",
        "none",
    ],
    "masked": ["sk-...", "sk-…", "sk-proj-****", "••••••••"],
    "variable": [
        "${OPENAI_API_KEY}",
        "$OPENAI_API_KEY",
        "%OPENAI_API_KEY%",
        "{{openai_key}}",
        "{{ secrets.OPENAI }}",
        "$(cat key)",
        "os.environ/OPENAI_API_KEY",
        "process.env.OPENAI_API_KEY",
        "OPENAI_API_KEY",
        'os.environ["OPENAI_API_KEY"]',
        "OPENAI_API_KEY=${OPENAI_API_KEY}",
    ],
    "secret store": [
        "op://Private/OpenAI/key",
        "vault:secret/data/openai#key",
        "vault://secret/openai",
        "arn:aws:secretsmanager:us-east-1:1:secret:x",
        "projects/acme/secrets/openai",
    ],
    "URL": ["https://platform.openai.com/api-keys", "http://x"],
    "name of a file": [
        "key.txt",
        "~/keys/openai",
        "./openai.env",
        "/etc/keys/openai.pem",
        "C:\\keys\\openai",
        ".env",
    ],
    "too short": ["abc", "sk-1"],
}


@pytest.mark.parametrize(
    ("reason", "text"), [(reason, text) for reason, texts in STAND_INS.items() for text in texts]
)
def test_a_placeholder_for_a_key_is_refused_with_the_reason(reason: str, text: str) -> None:
    [message] = refusal_of("openai", "api_key", api_key=text)["api_key"]

    assert reason in message


KEYS = [
    AWS_SECRET,
    "/" + AWS_SECRET[1:],
    AWS_TOKEN,
    AZURE_KEY,
    "EMPTY",
    "sk-1234",
    "eyJhbGciOiJub25lIn0.eyJhIjoxfQ.c2lnbmF0dXJl",
    "abc;",
    "abcdef,ghijkl",
    "p@ss:word=1",
    "key=value;",
    "dGhpcyBpcyBub3QgYSBrZXk==",
    "a#b",
    "token-abc",
    "your",
    "keyboard",
    "tok_x=y",
    "A=B",
    "x-api-key-1",
]


@pytest.mark.parametrize("value", KEYS)
def test_a_real_key_is_kept_to_the_last_character(value: str) -> None:
    """A server of one's own takes whatever its people chose."""
    key = typed("openai_compatible", "api_key", api_key=value, api_base="https://ai.example.com/v1")

    assert key.secrets["api_key"] == value
    assert key.notes == []


@given(
    st.text(
        st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="\"'{`"),
        min_size=1,
    )
)
def test_a_text_without_spaces_quotes_and_braces_is_never_divided(text: str) -> None:
    assert divide(text, OPENAI_FIELDS) == {}


@given(
    st.text()
    | st.lists(
        st.sampled_from([*BLOCKS.values(), *AWS_BLOCKS.values(), "=", '"', "\\\n", "# "])
    ).map("\n".join)
)
def test_any_text_can_be_parsed(text: str) -> None:
    for pair in parse(text):
        assert pair.value


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "a=",
        'a="',
        "a='",
        "a:",
        "curl -H ",
        'curl -H "',
        "{",
        '{"a":',
        "setx ",
        " #",
        "a =  ",
        "=",
        "A_KEY=",
        "\\",
        "$",
        "-e ",
        "x.",
        "sk-",
        "your-",
    ],
)
def test_100_kb_of_anything_are_refused_or_parsed(unit: str) -> None:
    text = (unit * 100_000)[:MAX_DOCUMENT]

    assert isinstance(parse(text), list)
    assert parse(text + "x" * 100_000) == []
    with pytest.raises(ValidationError):
        clean_credential((unit * 100_000)[:100_000], "API key")


# --- Whose key it is -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("secret", "slug"),
    [
        ("sk-proj-MadeUpForTests", "openai"),
        (CLAUDE_KEY, "anthropic"),
        ("sk-or-v1-" + "0" * 64, "openrouter"),
        ("sk-abcT3BlbkFJdef", "openai"),
        ("AIza" + "SyMadeUpForTests00000000000000000000000", "gemini"),
        (AWS_ID, "bedrock"),
        ("gsk_" + "a" * 52, "groq"),
        ("hf_" + "a" * 34, "huggingface"),
        ("hf_short", None),
        ("sk-0123456789abcdef0123456789abcdef", None),
        ("0123456789abcdef0123456789abcdef", None),
        ("a" * 40, None),
        ("a" * 44, None),
        ("pa-something-else", None),
        ("fw_something-else", None),
        ("sk-1234", None),
    ],
)
def test_a_key_is_recognized_only_by_what_one_provider_alone_has(
    secret: str, slug: str | None
) -> None:
    found = Provider.objects.recognize(secret)

    assert (found and found.slug) == slug


def test_no_providers_own_credentials_are_taken_for_anothers() -> None:
    for provider in Provider.objects.all():
        for item in provider.key_patterns():
            sample = item["prefix"] + "0" * 40
            assert Provider.objects.recognize(sample) in (None, provider), (provider, item)


def test_a_key_of_another_provider_is_refused_until_the_user_confirms() -> None:
    errors = refusal_of("openai", "api_key", api_key=CLAUDE_KEY)

    key = typed("openai", "api_key", api_key=CLAUDE_KEY, anyway=True)

    assert errors == {"api_key": ["This looks like an Anthropic key."]}
    assert key.notes == ["This looks like an Anthropic key."]


def test_a_server_of_ones_own_takes_any_key_with_a_note() -> None:
    key = typed("litellm_proxy", "api_key", api_key=CLAUDE_KEY, api_base="https://ai.example.com")

    assert "This looks like an Anthropic key." in key.notes


def test_aws_keys_are_not_misplaced_at_another_service_of_aws() -> None:
    for scheme in AuthScheme.objects.select_related("provider"):
        fields = {**credentials_for(scheme), **config_for(scheme)}
        if "aws_access_key_id" in fields:
            typed(scheme.provider.slug, scheme.slug, **fields)


def test_key_patterns_of_the_catalogue_are_regular_expressions() -> None:
    for entry in load_catalogue():
        for item in entry.get("key_patterns", []):
            re.compile(item.get("pattern", ""))


def test_a_provider_is_recognized_by_its_url_beside_a_malformed_one() -> None:
    text = "PROXY_URL=http://[\nAPI_URL=https://api.groq.com/openai/v1\nAPI_KEY=made-up-0001"

    scheme = recognize(text)

    assert scheme is not None
    assert scheme.provider.slug == "groq"
