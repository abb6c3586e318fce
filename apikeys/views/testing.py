"""The Test button of a form: what was typed is tried out, and nothing is saved."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from django.core.cache import cache
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.forms import BaseForm
from django.http import HttpRequest

from apikeys import checks, services
from apikeys.checks import CheckResult
from apikeys.forms import ApiKeyForm

PAUSE = 2  # seconds between two tests of one account
LONGEST = 30  # seconds after which a test that never came back keeps nobody from another

TONES = {checks.WORKS: "success", checks.REFUSED: "error", checks.UNCHECKABLE: "info"}
ICONS = {"success": "check", "error": "circle-alert", "info": "info", "warning": "triangle-alert"}


@dataclass(frozen=True)
class Tested:
    """What to show of a test."""

    lines: list[str]
    tone: str = "warning"
    status: int = 200
    must_type_again: bool = False

    @property
    def icon(self) -> str:
        return ICONS[self.tone]

    @classmethod
    def found(cls, result: CheckResult, form: ApiKeyForm) -> Self:
        return cls(
            [result.message],
            TONES.get(result.outcome, "warning"),
            must_type_again=bool(form.api_key.secrets),
        )

    @classmethod
    def not_ready(cls, *forms: BaseForm) -> Self:
        """Name what is to be corrected: the inputs themselves may stay as they are on the page."""
        problems = [problem for form in forms for problem in _problems(form)]
        return cls(["Not tested yet.", *problems], status=422)


def was_asked_to_test(request: HttpRequest) -> bool:
    return request.method == "POST" and "test" in request.POST


def test_typed(request: HttpRequest, form: ApiKeyForm) -> Tested:
    """Test what was typed into ``form``, together with what is stored where that is kept."""
    if not form.is_testable():
        return Tested.not_ready(form)
    try:
        secrets = services.secrets_to_test(form.api_key, remove=form.removed)
    except ValidationError as error:
        form.show(error)
        return Tested.not_ready(form)
    with one_at_a_time(request) as is_free:
        if not is_free:
            return Tested(["Tests take turns: wait two seconds, then test again."], status=409)
        return Tested.found(checks.checker().check(form.api_key, secrets), form)


@contextmanager
def one_at_a_time(request: HttpRequest) -> Iterator[bool]:
    """Keep an account from asking around in the network, and from taking every thread.

    The turns are this process's own: another process has threads of its own.
    """
    turn = f"testing-an-api-key-{request.user.pk}"
    is_free = cache.add(turn, True, LONGEST)
    try:
        yield is_free
    finally:
        if is_free:
            cache.set(turn, True, PAUSE)


def _problems(form: BaseForm) -> Iterator[str]:
    for name, errors in form.errors.items():
        label = "" if name == NON_FIELD_ERRORS else f"{form[name].label}: "
        for error in errors:
            yield f"{label}{error}"
