"""How a scheme declares the call that proves a credential."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from apikeys.catalogue.verification import Verification
from apikeys.models import AuthScheme


@pytest.mark.parametrize(
    ("declaration", "says"),
    [
        ({"url": 5}, "url"),
        ({"ok": 200}, "ok"),
        ({"ok": ["401"]}, "ok"),
        ({"ok": [9]}, "ok"),
        ({"method": "DELETE"}, "method"),
        ({"kind": "guess"}, "kind"),
        ({"enforced": "yes"}, "enforced"),
        ({"body_form": {"key": 5}}, "body_form"),
        ({"headers": {}}, "headers"),
        ([], "array"),
    ],
)
def test_what_is_declared_wrongly_is_refused_by_its_name(declaration: Any, says: str) -> None:
    with pytest.raises(ValidationError, match=says) as refusal:
        Verification.parse(declaration)

    assert set(refusal.value.message_dict) == {"verify"}


def test_without_a_word_a_200_is_good_and_nothing_is_proven() -> None:
    declared = Verification.parse({"url": "{base_url}/models"})

    assert (declared.method, declared.ok) == ("GET", {200})
    assert declared.enforced is None


def test_an_operator_sees_what_is_wrong_with_a_scheme(openai: AuthScheme) -> None:
    openai.verify = {"url": "{base_url}/models", "ok": "200"}

    with pytest.raises(ValidationError, match="ok"):
        openai.full_clean()
