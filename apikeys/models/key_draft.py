"""An API key as it was entered, before it is saved."""

from collections.abc import Collection, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Self

from django.core.exceptions import ValidationError

from apikeys.sealing import Secrets

from .api_key import ApiKey
from .auth_scheme import MALFORMED_SETTINGS, MISSING, MISSING_AFTER_A_MOVE, AuthScheme
from .details import DETAILS
from .provider import Provider
from .scheme_input import SchemeInput


@dataclass(frozen=True)
class KeyDraft:
    """What was entered for a new API key, or for one that is ``stored``.

    Secrets that are stored may be omitted, unless they would be sent elsewhere. With ``anyway``, a
    secret that looks like another provider's is accepted.
    """

    scheme: AuthScheme | None
    details: Mapping[str, Any]  # by the names of ``DETAILS``
    config: Any  # settings by the names of the scheme's fields
    secrets: Secrets = field(default_factory=Secrets)
    anyway: bool = False
    stored: ApiKey | None = None

    @classmethod
    def of(cls, stored: ApiKey, *, secrets: Mapping[str, str] = {}, anyway: bool = False) -> Self:
        """Return a draft that changes nothing of ``stored`` but its credentials."""
        details = {name: getattr(stored, name) for name in DETAILS}
        return cls(stored.scheme, details, stored.config, Secrets(secrets or {}), anyway, stored)

    def check(self, exclude: Collection[str] = ()) -> "CheckedDraft":
        """Check everything but the fields ``exclude``, and clean it."""
        row = _row(self)
        errors: dict[str, Any] = {}
        try:
            row.full_clean(exclude)
        except ValidationError as error:
            errors = error.update_error_dict(errors)
        details = {name: getattr(row, name) for name in DETAILS}
        if self.scheme is not None and (why := self.scheme.malformed_because()):
            errors["scheme"] = [why]
        elif not isinstance(self.config, Mapping):
            errors["config"] = [MALFORMED_SETTINGS]
        if self.scheme is None or not errors.keys().isdisjoint({"scheme", "config"}):
            return CheckedDraft(self.scheme, details, {}, errors=errors, stored=self.stored)
        moves = self._moves_elsewhere()
        entered = SchemeInput(
            self.scheme,
            secrets=dict(self.secrets),
            config=dict(self.config),
            stored=() if self.stored is None or moves else self.stored.stored_parts(),
            anyway=self.anyway,
        )
        entered.clean(
            missing=MISSING_AFTER_A_MOVE if moves else MISSING,
            in_the_open={name: details[name] for name in ("name", "team", "description")},
        )
        return CheckedDraft(
            self.scheme,
            details,
            entered.config,
            Secrets(entered.secrets),
            entered.notes,
            {**errors, **entered.errors},
            entered.looks_like,
            moves,
            self.stored,
        )

    def _moves_elsewhere(self) -> bool:
        """Whether credentials would be sent to an origin that the stored key does not have.

        The same origin in another role counts as another origin.
        """
        if self.stored is None or self.scheme is None:
            return False
        try:
            after = self.scheme.origins_for(self.scheme.clean_config(self.config).values)
            return self.scheme.pk != self.stored.scheme_id or not (
                after.items() <= self.stored.origins().items()
            )
        except ValidationError:
            return True


@dataclass(frozen=True)
class CheckedDraft:
    """A draft that was checked: what is to be saved, unless there are errors.

    ``errors`` are by the names of fields, and ``notes`` tell the user what was cleaned.
    """

    scheme: AuthScheme | None
    details: Mapping[str, Any]
    config: dict[str, Any]
    secrets: Secrets = field(default_factory=Secrets)
    notes: list[str] = field(default_factory=list)
    errors: dict[str, Any] = field(default_factory=dict)
    looks_like: Provider | None = None  # whose key was entered instead
    moves_elsewhere: bool = False
    stored: ApiKey | None = None

    def row(self) -> ApiKey:
        """Return an unsaved row with these values, or a copy of the stored one."""
        return _row(self)

    def valid_row(self) -> ApiKey:
        """Return ``row()``. Raises ``ValidationError`` if there are errors."""
        if self.errors:
            raise ValidationError(self.errors)
        return _row(self)


def _row(draft: KeyDraft | CheckedDraft) -> ApiKey:
    row = copy(draft.stored) if draft.stored else ApiKey()
    row.scheme = draft.scheme  # type: ignore[assignment]  # a form may be without, for a while
    row.config = draft.config
    for name, value in draft.details.items():
        setattr(row, name, value)
    return row
