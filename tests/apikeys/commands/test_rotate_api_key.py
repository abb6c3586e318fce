"""`rotate_api_key`, `rotation_due` and `destroy_previous`, as scripts and cron call them."""

import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from apikeys import credential_tests, services
from apikeys.models import ApiKey, CheckedDraft, CredentialVersion, Verdict
from apikeys.sealing import Secrets
from apikeys.services.rotation import Staged
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.console.conflict import Conflict
from tests import drafts
from tests.conftest import MakeKey
from tests.fakes import OPENAI_KEY

pytestmark = pytest.mark.django_db

NEW_KEY = "sk-proj-AnotherOne00000000000000000000000000NeWx"
THIRD_KEY = "sk-proj-YetAnother000000000000000000000000000ThRd"
Run = Callable[..., str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command with text on its stdin and return what it printed."""

    def run(*arguments: str, stdin: str = "") -> str:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        out = io.StringIO()
        call_command(*arguments, stdout=out)
        return out.getvalue()

    return run


@pytest.fixture
def key(make_key: MakeKey) -> ApiKey:
    return make_key("my-openai-key")


@pytest.fixture
def provider_says(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def say(outcome: str) -> None:
        class Fake:
            def test(self, api_key: ApiKey, secrets: Secrets) -> credential_tests.ProbeResult:
                return credential_tests.ProbeResult(outcome, "In our words.")

        monkeypatch.setattr(credential_tests, "_registered", Fake())

    return say


def opened(key: ApiKey, slot: str = "current") -> str | None:
    key = ApiKey.objects.with_versions().get(pk=key.pk)
    version = getattr(key, slot)
    return version and version.open_for(key, towards=key.origins())["api_key"]


# --- rotate_api_key ----------------------------------------------------------------------------


def test_new_credentials_from_stdin_are_in_use_at_once(run: Run, key: ApiKey) -> None:
    output = run("rotate_api_key", "MY-openai-key", stdin=f"{NEW_KEY}\n")

    assert output == "Rotated my-openai-key.\n"
    assert opened(key) == NEW_KEY
    assert opened(key, "previous") == OPENAI_KEY
    event = AuditEvent.objects.about(key).first()
    assert (event.act, event.channel, event.fields) == ("edited", "command", ["api_key"])


def test_compromised_credentials_leave_no_previous_ones(run: Run, key: ApiKey) -> None:
    run("rotate_api_key", "my-openai-key", "--compromised", stdin=NEW_KEY)

    assert opened(key, "previous") is None
    assert CredentialVersion.objects.get(pk=key.current_id).sealed is None


def test_parts_that_are_not_given_are_kept(run: Run, make_key: MakeKey) -> None:
    key = make_key("aws", "bedrock", "access_keys")

    run("rotate_api_key", "aws", stdin=json.dumps({"aws_secret_access_key": "n" * 40}))

    key = ApiKey.objects.get()
    secrets = key.current.open_for(key, towards=key.origins())
    assert secrets["aws_secret_access_key"] == "n" * 40
    assert secrets["aws_access_key_id"] == "AKIAIOSFODNN7EXAMPLE"


def test_staged_tested_and_promoted_in_one_go(
    run: Run, key: ApiKey, provider_says: Callable[[str], None], tmp_path: Path
) -> None:
    provider_says(Verdict.WORKS)
    file = tmp_path / "key"
    file.write_text(NEW_KEY)

    output = run(
        "rotate_api_key", key.name, "--stage", "--test", "--promote", "--from-file", str(file)
    )

    assert output.splitlines() == [
        "Staged new credentials for my-openai-key.",
        "The pending credentials passed the test. In our words.",
        "Promoted: my-openai-key uses the new credentials.",
    ]
    assert opened(key) == NEW_KEY


def test_what_fails_its_test_is_not_promoted(
    run: Run, key: ApiKey, provider_says: Callable[[str], None]
) -> None:
    provider_says(Verdict.REFUSED)

    with pytest.raises(CommandError, match=r"did not pass the test\. In our words\.") as refusal:
        run("rotate_api_key", key.name, "--stage", "--test", "--promote", stdin=NEW_KEY)

    assert refusal.value.returncode == 1
    assert (opened(key), opened(key, "pending")) == (OPENAI_KEY, NEW_KEY)


def test_promoting_what_was_not_tested_has_to_be_said(run: Run, key: ApiKey) -> None:
    run("rotate_api_key", key.name, "--stage", stdin=NEW_KEY)

    with pytest.raises(CommandError, match="--untested"):
        run("rotate_api_key", key.name, "--promote")
    run("rotate_api_key", key.name, "--promote", "--untested")

    assert opened(key) == NEW_KEY


def test_one_rolls_back(run: Run, key: ApiKey) -> None:
    run("rotate_api_key", key.name, stdin=NEW_KEY)

    output = run("rotate_api_key", key.name, "--roll-back")

    assert output == "Rolled back: my-openai-key uses the previous credentials again.\n"
    assert (opened(key), opened(key, "previous")) == (OPENAI_KEY, NEW_KEY)


def test_a_test_alone_asks_about_those_in_use(
    run: Run, key: ApiKey, provider_says: Callable[[str], None]
) -> None:
    provider_says(Verdict.WORKS)

    assert "The current credentials passed the test." in run("rotate_api_key", key.name, "--test")


@pytest.mark.parametrize(
    ("arguments", "because"),
    [
        (["no-such-key"], "No API key has this name"),
        (["my-openai-key", "--roll-back"], "There are no previous credentials"),
        (["my-openai-key", "--promote", "--untested"], "There are no pending credentials"),
        (["my-openai-key", "--test", "--promote"], "There are no pending credentials"),
        (["my-openai-key", "--from-file", "/nowhere"], "No such file"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(
    run: Run, key: ApiKey, arguments: list[str], because: str
) -> None:
    before = AuditEvent.objects.count()

    with pytest.raises(CommandError, match=because) as refusal:
        run("rotate_api_key", *arguments)

    assert refusal.value.returncode == 1
    assert opened(key) == OPENAI_KEY
    assert AuditEvent.objects.count() == before


@pytest.mark.parametrize(
    ("options", "because"),
    [
        ("--roll-back --stage", "--roll-back cannot be combined"),
        ("--roll-back --untested", "--roll-back cannot be combined"),
        ("--roll-back --from-file FILE", "--roll-back cannot be combined"),
        ("--promote --untested --from-file FILE", "--from-file supplies new credentials"),
        ("--test --from-file FILE", "--from-file supplies new credentials"),
        ("--untested", "--untested requires --promote"),
        ("--stage --untested", "--untested requires --promote"),
        ("--stage --test --promote --untested", "excludes --test"),
        ("--stage --promote", "without a passing test"),
        ("--stage --compromised", "--compromised requires"),
        ("--test --compromised", "--compromised requires"),
    ],
)
def test_what_makes_no_sense_together_is_refused_before_anything_is_done(
    run: Run, key: ApiKey, tmp_path: Path, options: str, because: str
) -> None:
    run("rotate_api_key", key.name, stdin=THIRD_KEY)
    run("rotate_api_key", key.name, "--stage", stdin=OPENAI_KEY)
    file = tmp_path / "file"
    file.write_text(NEW_KEY)
    before = AuditEvent.objects.count()

    with pytest.raises(CommandError, match=because) as refusal:
        run("rotate_api_key", key.name, *options.replace("FILE", str(file)).split(), stdin=NEW_KEY)

    assert refusal.value.returncode == 1
    assert AuditEvent.objects.count() == before


def test_one_rolls_back_from_compromised_credentials(run: Run, key: ApiKey) -> None:
    run("rotate_api_key", key.name, stdin=NEW_KEY)
    compromised = ApiKey.objects.get().current_id

    run("rotate_api_key", key.name, "--roll-back", "--compromised")

    assert (opened(key), opened(key, "previous")) == (OPENAI_KEY, None)
    assert CredentialVersion.objects.get(pk=compromised).sealed is None


def test_the_same_credentials_are_no_answer_to_compromised_ones(run: Run, key: ApiKey) -> None:
    with pytest.raises(CommandError, match="Enter new credentials"):
        run("rotate_api_key", key.name, "--compromised", stdin=OPENAI_KEY)

    assert opened(key) == OPENAI_KEY


@pytest.mark.parametrize(
    "stdin", ["", "\n", " \r\n", "{}", '{"api_key": ""}', '{"api_key": " "}', '""']
)
@pytest.mark.parametrize("options", [[], ["--stage"], ["--stage", "--test", "--promote"]])
def test_where_no_secret_comes_nothing_looks_done(
    run: Run, key: ApiKey, stdin: str, options: list[str]
) -> None:
    """As in ``vault read … | rotate_api_key``, where the first of the two fails."""
    with pytest.raises(CommandError, match=r"No secret was read|Enter the API key") as refusal:
        run("rotate_api_key", key.name, *options, stdin=stdin)

    assert refusal.value.returncode == 1
    assert AuditEvent.objects.about(key).count() == 1


def test_an_empty_file_is_no_secret_either(run: Run, key: ApiKey, tmp_path: Path) -> None:
    (tmp_path / "key").touch()

    with pytest.raises(CommandError, match="No secret was read: the file is empty"):
        run("rotate_api_key", key.name, "--from-file", str(tmp_path / "key"))


def test_one_may_do_it_again_with_the_same_secret(run: Run, key: ApiKey) -> None:
    assert "Nothing was changed in my-openai-key." in run(
        "rotate_api_key", key.name, stdin=OPENAI_KEY
    )


def test_a_method_without_credentials_is_not_rotated(run: Run, make_key: MakeKey) -> None:
    make_key("chain", "bedrock", "default_chain")

    for options in ([], ["--stage"]):
        with pytest.raises(CommandError, match="there is nothing to rotate"):
            run("rotate_api_key", "chain", *options, stdin=NEW_KEY)


SESSION = {
    "aws_access_key_id": "ASIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key": "s" * 40,
    "aws_session_token": "made+up/session/token==",
}
PERMANENT = {
    "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key": "p" * 40,
    "aws_session_token": None,
}


@pytest.mark.parametrize("options", [[], ["--stage", "--promote", "--untested"]])
def test_null_removes_what_is_stored(run: Run, make_key: MakeKey, options: list[str]) -> None:
    make_key("aws", "bedrock", "access_keys", secrets=SESSION)

    run("rotate_api_key", "aws", *options, stdin=json.dumps(PERMANENT))

    key = ApiKey.objects.get()
    assert key.current.parts == ["aws_access_key_id", "aws_secret_access_key"]
    assert (key.expires_at, key.current.expires_at) == (None, None)  # and not in twelve hours


@pytest.mark.parametrize("options", [[], ["--stage"]])
def test_null_does_not_remove_what_is_needed(
    run: Run, make_key: MakeKey, options: list[str]
) -> None:
    make_key("aws", "bedrock", "access_keys", secrets=SESSION)

    with pytest.raises(CommandError, match=r"is required. Replace it instead"):
        run("rotate_api_key", "aws", *options, stdin='{"aws_secret_access_key": null}')


def test_an_empty_part_is_neither_kept_nor_removed(run: Run, make_key: MakeKey) -> None:
    make_key("aws", "bedrock", "access_keys", secrets=SESSION)

    with pytest.raises(CommandError, match="No secret was read for aws_session_token"):
        run("rotate_api_key", "aws", stdin=json.dumps(PERMANENT | {"aws_session_token": ""}))


def test_what_another_user_stages_concurrently_is_neither_tested_nor_promoted(
    run: Run, key: ApiKey, by: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage_ours = services.stage_credentials

    def stage_and_be_overtaken(draft: CheckedDraft, **how: Any) -> Staged:
        ours = stage_ours(draft, **how)
        drafts.stage(ApiKey.objects.get(pk=key.pk), Secrets(api_key=THIRD_KEY), by=by)
        return ours

    monkeypatch.setattr(services, "stage_credentials", stage_and_be_overtaken)
    with pytest.raises(CommandError, match=r"Done: stage\. Not done: test, promote\."):
        run("rotate_api_key", key.name, "--stage", "--test", "--promote", stdin=NEW_KEY)

    assert (opened(key), opened(key, "pending")) == (OPENAI_KEY, THIRD_KEY)


def test_what_another_user_stages_during_the_test_is_not_promoted(
    run: Run, key: ApiKey, by: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Provider:
        def test(self, api_key: ApiKey, secrets: Secrets) -> credential_tests.ProbeResult:
            other = ApiKey.objects.get(pk=key.pk)
            drafts.stage(other, Secrets(api_key=THIRD_KEY), by=by)
            return credential_tests.ProbeResult(Verdict.WORKS, "In our words.")

    monkeypatch.setattr(credential_tests, "_registered", Provider())
    with pytest.raises(CommandError, match=r"Done: stage\. Not done: test, promote\."):
        run("rotate_api_key", key.name, "--stage", "--test", "--promote", stdin=NEW_KEY)

    assert (opened(key), opened(key, "pending")) == (OPENAI_KEY, THIRD_KEY)


def test_a_conflict_at_the_first_action_reports_that_nothing_was_done(
    run: Run, key: ApiKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(*args: object, **kwargs: object) -> None:
        raise Conflict

    monkeypatch.setattr(services, "update_api_key", lose)
    with pytest.raises(CommandError, match=r"Nothing was done. Run the command again"):
        run("rotate_api_key", key.name, stdin=NEW_KEY)


def test_a_refusal_does_not_repeat_the_secret(run: Run, key: ApiKey) -> None:
    with pytest.raises(CommandError) as refusal:
        run("rotate_api_key", key.name, stdin=f"{NEW_KEY} and more")

    assert NEW_KEY not in str(refusal.value)


# --- rotation_due ------------------------------------------------------------------------------


def put(name: str, **values: Any) -> None:
    ApiKey.objects.filter(name=name).update(**values)


def test_nothing_is_due(run: Run, key: ApiKey) -> None:
    assert run("rotation_due") == "No API key needs new credentials.\n"
    assert run("rotation_due", "--json") == "[]\n"


def test_keys_that_need_new_credentials_are_listed_and_change_the_exit_status(
    make_key: MakeKey, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("fine", "due", "overdue", "expired", "expiring", "refused", "disabled"):
        make_key(name)
    past, ahead = timezone.now() - timedelta(days=1), timezone.now() + timedelta(days=1)
    put("due", due_at=past, overdue_at=ahead)
    put("overdue", due_at=past, overdue_at=past)
    put("expired", due_at=past, expires_at=past)
    put("expiring", expires_at=ahead)
    put("refused", refused_at=past)
    put("disabled", refused_at=past, enabled=False)

    needing = ["due", "expired", "expiring", "overdue", "refused"]
    with pytest.raises(CommandError, match="5 API keys need new credentials") as shown:
        call_command("rotation_due", "--json")

    assert shown.value.returncode == 1
    rows = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["status"]) for row in rows] == [(name, name) for name in needing]
    with pytest.raises(CommandError):
        call_command("rotation_due")
    table = capsys.readouterr().out.splitlines()
    assert table[0].startswith("NAME")
    assert [line.split()[0] for line in table[1:]] == needing


# --- destroy_previous --------------------------------------------------------------------------


@pytest.fixture
def rotated(run: Run, key: ApiKey) -> Callable[[int], ApiKey]:
    """A key whose credentials were replaced so many days ago."""

    def rotated(days: int) -> ApiKey:
        run("rotate_api_key", key.name, stdin=NEW_KEY)
        CredentialVersion.objects.filter(pk=key.current_id).update(
            replaced_at=timezone.now() - timedelta(days=days)
        )
        return ApiKey.objects.get(pk=key.pk)

    return rotated


def test_previous_credentials_are_destroyed_when_their_time_is_over(
    run: Run, rotated: Callable[[int], ApiKey]
) -> None:
    key = rotated(8)

    assert run("destroy_previous") == "Destroyed the previous credentials of 1 API key.\n"

    assert opened(key, "previous") is None
    assert CredentialVersion.objects.get(pk=key.previous_id).sealed is None
    event = AuditEvent.objects.about(key).first()
    assert (event.act, event.channel) == ("destroyed previous credentials", "command")
    assert run("destroy_previous") == "Destroyed the previous credentials of 0 API keys.\n"


def test_previous_credentials_are_kept_for_their_time(
    run: Run, rotated: Callable[[int], ApiKey], settings: Any
) -> None:
    key = rotated(6)

    assert "of 0 API keys" in run("destroy_previous")
    assert "of 1 API key" in run("destroy_previous", "--older-than-days", "5", "--dry-run")
    assert opened(key, "previous") == OPENAI_KEY
    assert "of 1 API key" in run("destroy_previous", "--older-than-days", "5")
    assert opened(key, "previous") is None


@pytest.fixture
def forgotten(run: Run, key: ApiKey) -> ApiKey:
    """A key for which others were staged eight days ago."""
    run("rotate_api_key", key.name, "--stage", stdin=NEW_KEY)
    key = ApiKey.objects.get(pk=key.pk)
    CredentialVersion.objects.filter(pk=key.pending_id).update(
        created_at=timezone.now() - timedelta(days=8)
    )
    return key


def test_what_was_staged_and_forgotten_is_discarded_where_that_is_asked_for(
    run: Run, forgotten: ApiKey
) -> None:
    run("destroy_previous")
    run("destroy_previous", "--pending-older-than-days=9")
    would = run("destroy_previous", "--pending-older-than-days=7", "--dry-run")
    assert "Would destroy the pending credentials of 1 API key.\n  my-openai-key\n" in would
    assert opened(forgotten, "pending") == NEW_KEY

    shown = run("destroy_previous", "--pending-older-than-days=7")

    assert shown.splitlines() == [
        "Destroyed the previous credentials of 0 API keys.",
        "Destroyed the pending credentials of 1 API key.",
    ]
    assert (opened(forgotten), opened(forgotten, "pending")) == (OPENAI_KEY, None)
    assert CredentialVersion.objects.get(pk=forgotten.pending_id).sealed is None
    event = AuditEvent.objects.about(forgotten).first()
    assert (event.act, event.channel) == ("discarded pending credentials", "command")


def test_previous_and_pending_credentials_of_one_key_go_in_one_run(
    run: Run, rotated: Callable[[int], ApiKey]
) -> None:
    key = rotated(8)
    run("rotate_api_key", key.name, "--stage", stdin=THIRD_KEY)

    run("destroy_previous", "--pending-older-than-days=0")

    assert (opened(key, "previous"), opened(key, "pending")) == (None, None)


@pytest.mark.parametrize("option", ["--older-than-days", "--pending-older-than-days"])
@pytest.mark.parametrize("days", ["-1", "99999999999"])
def test_a_number_of_days_that_makes_no_sense_is_refused(run: Run, option: str, days: str) -> None:
    with pytest.raises(CommandError, match=option):
        run("destroy_previous", f"{option}={days}")


def test_keys_being_changed_are_left_to_the_next_run(
    run: Run, rotated: Callable[[int], ApiKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    rotated(8)

    def lose(*args: object, **kwargs: object) -> None:
        raise Conflict

    monkeypatch.setattr(services, "destroy_previous", lose)
    with pytest.raises(CommandError, match="my-openai-key") as left:
        run("destroy_previous")

    assert left.value.returncode == 3
