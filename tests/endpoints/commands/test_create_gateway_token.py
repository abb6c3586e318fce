"""`manage.py create_gateway_token` and `revoke_gateway_token`, as scripts call them."""

import io
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from endpoints.models import GatewayToken
from endpoints.models.gateway_token import digest_of
from gatewayproject.accounts.models import AuditEvent
from tests.conftest import MakeEndpoint, MakeToken

pytestmark = pytest.mark.django_db

Run = Callable[..., tuple[str, str]]


@pytest.fixture(autouse=True)
def endpoints(make_endpoint: MakeEndpoint) -> None:
    for name in ("search", "translate"):
        make_endpoint(name, None)


@pytest.fixture
def run() -> Run:
    """Run a command and return what it printed on stdout and on stderr."""

    def run(*arguments: str, command: str = "create_gateway_token") -> tuple[str, str]:
        out, err = io.StringIO(), io.StringIO()
        call_command(command, *arguments, stdout=out, stderr=err)
        return out.getvalue(), err.getvalue()

    return run


def days_left() -> float:
    return (GatewayToken.objects.get().expires_at - timezone.now()) / timedelta(days=1)


def test_stdout_is_the_token_and_nothing_else(run: Run) -> None:
    out, err = run("search-service", "--endpoint", "search", "--endpoint", "translate")

    assert re.fullmatch(r"gh_[\w-]{43}\n", out)
    assert err == "Created search-service. You will not be able to see it again.\n"
    token = GatewayToken.objects.get(digest=digest_of(out.strip()))
    assert token.endpoints.count() == 2
    assert days_left() == pytest.approx(90, abs=0.01)
    event = AuditEvent.objects.about(token).get()
    assert (event.act, event.channel) == ("created", "command")


def test_a_token_may_reach_all_endpoints_without_expiry(run: Run) -> None:
    run("ops", "--all-endpoints", "--never-expires")

    token = GatewayToken.objects.get()
    assert (token.all_endpoints, token.expires_at) == (True, None)


def test_a_token_lasts_for_the_given_days(run: Run) -> None:
    run("ops", "--all-endpoints", "--expires-in-days", "3")

    assert days_left() == pytest.approx(3, abs=0.01)


def test_a_dry_run_checks_and_creates_nothing(run: Run) -> None:
    assert run("ops", "--all-endpoints", "--dry-run") == ("", "Would create ops.\n")
    with pytest.raises(CommandError, match="name"):
        run(" ", "--all-endpoints", "--dry-run")

    assert not GatewayToken.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (["a"], "required"),
        (["a", "--endpoint", "search", "--all-endpoints"], "not allowed with"),
        (["a", "--all-endpoints", "--never-expires", "--expires-in-days", "3"], "not allowed"),
        (["a", "--endpoint", "nonsense"], "--endpoint: there is no endpoint called 'nonsense'"),
        (["a", "--endpoint", "search", "--endpoint", "\udcff"], "there is no endpoint"),
        (["a", "--endpoint", ""], "there is no endpoint"),
        (["a", "--all-endpoints", "--expires-in-days", "0"], "--expires-in-days: enter 1"),
        (["a", "--all-endpoints", "--expires-in-days", "999999999"], "--expires-in-days: enter 1"),
        (["a", "--all-endpoints", "--expires-in-days", "x"], "invalid int"),
        (["", "--all-endpoints"], "name: "),
        (["a\nb", "--all-endpoints"], "name: Line breaks"),
        (["\udcff", "--all-endpoints"], "name: Control characters"),
        (["x" * 81, "--all-endpoints"], "name: "),
    ],
)
def test_a_wrong_argument_is_refused_with_the_reason(
    run: Run, arguments: list[str], refusal: str
) -> None:
    with pytest.raises(CommandError, match=refusal):
        run(*arguments)

    assert not GatewayToken.objects.exists()


def test_a_taken_name_is_refused(run: Run) -> None:
    run("ops", "--all-endpoints")

    with pytest.raises(
        CommandError, match="name: Another gateway token already has this name"
    ) as refused:
        run(" OPS ", "--all-endpoints")

    assert refused.value.returncode == 1


def test_a_token_is_revoked_by_its_name_and_again_without_harm(
    run: Run, make_token: MakeToken
) -> None:
    token = make_token("Search service")

    first, _ = run("search  SERVICE", command="revoke_gateway_token")
    again, _ = run("Search service", command="revoke_gateway_token")

    assert (first, again) == (
        "Revoked Search service.\n",
        "Already revoked: Search service.\n",
    )
    assert GatewayToken.objects.get().state() == "revoked"
    assert AuditEvent.objects.about(token).filter(act="revoked", channel="command").count() == 1


@pytest.mark.parametrize("name", ["nobody", "", "\udcff"])
def test_a_token_that_there_is_not_is_not_revoked(run: Run, name: str) -> None:
    with pytest.raises(CommandError, match="no gateway token with this name"):
        run(name, command="revoke_gateway_token")
