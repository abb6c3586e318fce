"""The call that proves a credential, as a scheme declares it."""

from typing import Annotated, Any, Literal, Self

import msgspec
from django.core.exceptions import ValidationError

Status = Annotated[int, msgspec.Meta(ge=200, le=599)]


class Verification(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to ask; without a ``url``, nothing. What an error means is in errors.toml."""

    url: str = ""
    method: Literal["GET", "POST"] = "GET"
    kind: Literal["call", "token_exchange"] = "call"  # the latter: obtaining a token is all of it
    ok: frozenset[Status] = frozenset({200})
    enforced: bool | None = None  # None: not confirmed
    spends_tokens: bool = False
    service: str = ""  # that AWS's signature is for, where it is not the scheme's own
    body_form: dict[str, str] = {}  # then the credential travels in it, and in no header
    body_json: dict[str, Any] = {}
    note: str = ""  # added to a success

    @classmethod
    def parse(cls, declaration: Any) -> Self:
        """Read a declaration. Raises ``ValidationError`` that says what is wrong with it."""
        try:
            return msgspec.convert(declaration, cls)
        except msgspec.ValidationError as error:
            raise ValidationError({"verify": f"{error}."}) from None
