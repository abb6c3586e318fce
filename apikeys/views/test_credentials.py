"""The Test button of a form: test the entered credentials, and save nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from django.core.cache import cache
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.forms import BaseForm
from django.http import HttpRequest

from apikeys import credential_tests, services
from apikeys.credential_tests import ProbeResult
from apikeys.forms import ApiKeyForm
from apikeys.models import Verdict

PAUSE = 2  # seconds between two tests of one account
LONGEST = 30  # seconds after which a test that never returned no longer blocks the next

TONES = {
    Verdict.WORKS: "success",
    Verdict.REFUSED: "error",
    Verdict.UNCHECKABLE: "info",
}
ICONS = {"success": "check", "error": "circle-alert", "info": "info", "warning": "triangle-alert"}


@dataclass(frozen=True)
class Tested:
    """What to show about a test."""

    lines: list[str]
    tone: str = "warning"
    status: int = 200
    must_type_again: bool = False

    @property
    def icon(self) -> str:
        return ICONS[self.tone]

    @classmethod
    def found(cls, result: ProbeResult, form: ApiKeyForm) -> Self:
        return cls(
            [result.message],
            TONES.get(result.outcome, "warning"),
            must_type_again=bool(form.draft and form.draft.secrets),
        )

    @classmethod
    def not_ready(cls, *forms: BaseForm) -> Self:
        """List the errors, because the inputs on the page may not change."""
        lines = ["Not tested yet."]
        for form in forms:
            for name, errors in form.errors.items():
                label = "" if name == NON_FIELD_ERRORS else f"{form[name].label}: "
                lines += [f"{label}{error}" for error in errors]
        return cls(lines, status=422)


def was_asked_to_test(request: HttpRequest) -> bool:
    return request.method == "POST" and "test" in request.POST


def test_typed(request: HttpRequest, form: ApiKeyForm) -> Tested:
    """Test the credentials in ``form``, with stored ones for empty inputs."""
    if not form.is_testable() or form.draft is None:
        return Tested.not_ready(form)
    try:
        secrets = services.secrets_to_test(form.draft, remove=form.removed)
    except ValidationError as error:
        form.show(error)
        return Tested.not_ready(form)
    with one_at_a_time(request) as is_free:
        if not is_free:
            return Tested(["Please wait 2 seconds between tests."], status=409)
        return Tested.found(credential_tests.tester().test(form.draft.row(), secrets), form)


@contextmanager
def one_at_a_time(request: HttpRequest) -> Iterator[bool]:
    """Keep one account from scanning the network, and from occupying every thread.

    Each process counts for itself, because each has threads of its own.
    """
    turn = f"testing-an-api-key-{request.user.pk}"
    is_free = cache.add(turn, True, LONGEST)
    try:
        yield is_free
    finally:
        if is_free:
            cache.set(turn, True, PAUSE)
