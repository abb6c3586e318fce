"""`manage.py create_api_key`, as scripts call it."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apikeys.models import ApiKey, AuthScheme, CredentialVersion
from gatewayproject.accounts.models import AuditEvent
from tests import fakes

pytestmark = pytest.mark.django_db

Run = Callable[..., str]
OPTIONAL = ["--provider", "openai_compatible", "--set", "api_base=https://ai.example.com/v1"]
AWS = {
    "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command with text on its stdin and return what it printed."""

    def run(*arguments: str, stdin: str = "", kind: type = io.TextIOWrapper) -> str:
        monkeypatch.setattr("sys.stdin", kind(io.BytesIO(stdin.encode())))
        out = io.StringIO()
        call_command("create_api_key", *arguments, stdout=out)
        return out.getvalue()

    return run


def secrets_of(api_key: ApiKey) -> dict[str, str]:
    return dict(api_key.current.open_for(api_key, towards=api_key.origins()))


def test_a_key_is_created_from_stdin(run: Run) -> None:
    output = run("my-openai-key", "--provider", "openai", stdin=f"{fakes.OPENAI_KEY}\n")

    assert output == "Created my-openai-key.\n"
    api_key = ApiKey.objects.get(name="my-openai-key")
    assert secrets_of(api_key) == {"api_key": fakes.OPENAI_KEY}
    event = AuditEvent.objects.about(api_key).get()
    assert (event.act, event.channel) == ("created", "command")


def test_a_key_is_created_from_a_file_with_everything_set(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(fakes.OPENAI_KEY)

    run(
        *(
            "azure-eu",
            "--provider",
            "openai",
            "--scheme",
            "azure_api_key",
            "--from-file",
            str(file),
        ),
        *("--set", "api_base=https://eu.openai.azure.com/openai/x?y=1"),
        *("--environment", "staging", "--team", "Search", "--description", "Europe"),
    )

    api_key = ApiKey.objects.get(name="azure-eu")
    assert api_key.config["api_base"] == "https://eu.openai.azure.com"
    assert (api_key.environment, api_key.team, api_key.description) == (
        "staging",
        "Search",
        "Europe",
    )


def test_several_secrets_come_as_json(run: Run) -> None:
    scheme = AuthScheme.objects.get(provider__slug="bedrock", slug="access_keys")
    arguments = ["aws", "--provider", "bedrock", "--scheme", scheme.slug]
    config = [f"--set={name}={value}" for name, value in fakes.config_for(scheme).items()]

    run(*arguments, *config, stdin=json.dumps(AWS))

    assert secrets_of(ApiKey.objects.get(name="aws")) == AWS


def test_a_service_account_comes_as_the_file_it_is(run: Run) -> None:
    scheme = AuthScheme.objects.get(provider__slug="vertex_ai", fields__icontains="service_account")
    config = [f"--set={name}={value}" for name, value in fakes.config_for(scheme).items()]

    run(
        *("gcp", "--provider", "vertex_ai", "--scheme", scheme.slug, *config),
        stdin=fakes.service_account(),
    )

    assert ApiKey.objects.get(name="gcp").config["vertex_project"] == "acme-search"


@pytest.mark.parametrize(
    "stdin", ["not JSON SECRET", '{"SECRET": "SECRET"}', '["SECRET"]', '"SECRET"']
)
def test_several_secrets_in_another_form_are_refused_unrepeated(run: Run, stdin: str) -> None:
    with pytest.raises(CommandError) as refusal:
        run("aws", "--provider", "bedrock", "--scheme", "access_keys", stdin=stdin)

    assert "aws_access_key_id, aws_secret_access_key" in str(refusal.value)
    assert "SECRET" not in str(refusal.value)


@pytest.mark.parametrize("stdin", ["", "\n", '{"api_key": ""}'])
def test_no_key_is_created_where_no_secret_comes(run: Run, stdin: str) -> None:
    with pytest.raises(CommandError, match="No secret was read") as refusal:
        run("k", *OPTIONAL, stdin=stdin)

    assert refusal.value.returncode == 1
    assert not ApiKey.objects.exists()


def test_that_no_secret_is_needed_is_said_with_an_empty_object(run: Run) -> None:
    run("k", *OPTIONAL, stdin="{}")

    assert secrets_of(ApiKey.objects.get()) == {}


def test_json_where_one_line_belongs_is_refused(run: Run) -> None:
    with pytest.raises(CommandError, match="JSON object with one or more of: api_key"):
        run("k", "--provider", "openai", stdin=json.dumps(AWS))


def test_errors_are_reported_by_field_and_nothing_is_stored(run: Run) -> None:
    with pytest.raises(CommandError) as refusal:
        run(
            *("azure", "--provider", "openai", "--scheme", "azure_api_key"),
            *("--set", "api_base=https://evil.example"),
            stdin="a key with CANARY inside",
        )

    assert "api_base: Enter an Azure endpoint" in str(refusal.value)
    assert "api_key: The key contains spaces" in str(refusal.value)
    assert "CANARY" not in str(refusal.value)
    assert refusal.value.returncode == 1
    assert not ApiKey.objects.exists()
    assert not CredentialVersion.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (["k", "--provider", "nobody"], "--provider: no provider has this slug"),
        (["k", "--provider", "openai", "--scheme", "magic"], "--scheme: OpenAI has api_key"),
        (["k", "--provider", "openai", "--set", "api_key=CANARY"], "--set takes FIELD=VALUE"),
        (["k", "--provider", "openai", "--set", "CANARY"], "--set takes FIELD=VALUE"),
        (["k", "--provider", "openai", "--from-file", "/nowhere"], "--from-file: No such file"),
    ],
)
def test_a_wrong_argument_is_refused_with_the_reason(
    run: Run, arguments: list[str], refusal: str
) -> None:
    with pytest.raises(CommandError, match=refusal) as refused:
        run(*arguments)

    assert "CANARY" not in str(refused.value)


def test_what_is_not_text_is_refused(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(CommandError, match="not UTF-8 text"):
        run("k", "--provider", "openai", "--from-file", str(file))


def test_a_dry_run_checks_and_creates_nothing(run: Run) -> None:
    output = run("k", "--provider", "openai", "--dry-run", stdin=fakes.OPENAI_KEY)

    assert output == "Would create k.\n"
    assert not ApiKey.objects.exists()


def test_a_taken_name_is_refused(run: Run) -> None:
    run("my-openai-key", "--provider", "openai", stdin=fakes.OPENAI_KEY)

    with pytest.raises(CommandError, match="name: Another API key already has this name"):
        run("My-OpenAI-Key ", "--provider", "openai", stdin=fakes.OPENAI_KEY)


def test_notes_are_printed(run: Run) -> None:
    output = run("k", "--provider", "openai", stdin=f"OPENAI_API_KEY='{fakes.OPENAI_KEY}'")

    assert "Removed" in output
    assert fakes.OPENAI_KEY not in output


def test_on_a_terminal_each_secret_is_asked_for_unseen(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheme = AuthScheme.objects.get(provider__slug="bedrock", slug="access_keys")
    config = [f"--set={name}={value}" for name, value in fakes.config_for(scheme).items()]
    typed = iter([*AWS.values(), ""])
    asked = []
    monkeypatch.setattr(
        "apikeys.management.secret_input.getpass",
        lambda prompt: (asked.append(prompt), next(typed))[1],
    )

    run("aws", "--provider", "bedrock", "--scheme", "access_keys", *config, kind=Terminal)

    assert secrets_of(ApiKey.objects.get(name="aws")) == AWS
    assert asked[-1].endswith("(optional): ")


@pytest.mark.parametrize(
    "block",
    [
        "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        "export AWS_ACCESS_KEY_ID={}\nexport AWS_SECRET_ACCESS_KEY={}\n",
        '{{"Credentials": {{"AccessKeyId": "{}", "SecretAccessKey": "{}"}}}}',
    ],
)
def test_a_block_of_credentials_is_divided(run: Run, block: str) -> None:
    run(
        "aws", "--provider", "bedrock", "--scheme", "access_keys", stdin=block.format(*AWS.values())
    )

    assert secrets_of(ApiKey.objects.get()) == AWS


def test_another_providers_key_is_accepted_only_with_anyway(run: Run) -> None:
    claude = "sk-ant-api03-MadeUpForTests0000000000000000"

    with pytest.raises(CommandError, match="looks like an Anthropic key") as refusal:
        run("k", "--provider", "openai", stdin=claude)
    run("k", "--provider", "openai", "--anyway", stdin=claude)

    assert claude not in str(refusal.value)
    assert secrets_of(ApiKey.objects.get()) == {"api_key": claude}
