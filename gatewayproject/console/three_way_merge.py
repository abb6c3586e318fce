"""Merge two edits of a row, field by field, so that no change is overwritten unseen."""

import hashlib
from collections.abc import Collection, Hashable, Mapping, Set
from dataclasses import dataclass, field

from django.core import signing


@dataclass(frozen=True)
class Merge:
    """The fields whose stored and entered values differ."""

    theirs: list[str] = field(default_factory=list)  # only others changed it
    mine: list[str] = field(default_factory=list)  # only this user changed it
    conflicts: list[str] = field(default_factory=list)  # both did, and differently


def merge(
    base: Mapping[str, Hashable], theirs: Mapping[str, Hashable], mine: Mapping[str, Hashable]
) -> Merge:
    """Compare stored values (``theirs``) and entered values (``mine``) with their common ``base``.

    A field without a base counts as changed by both.
    """
    result = Merge()
    for name in dict.fromkeys([*theirs, *mine]):
        stored, entered = theirs.get(name), mine.get(name)
        if stored == entered:
            continue
        if name in base and entered == base[name]:
            result.theirs.append(name)
        elif name in base and stored == base[name]:
            result.mine.append(name)
        else:
            result.conflicts.append(name)
    return result


def merge_members(base: Set[str], theirs: Set[str], mine: Set[str]) -> set[str]:
    """Return ``base`` with what either side added and without what either side removed."""
    kept_by_all = base & theirs & mine
    return set(kept_by_all | (theirs - base) | (mine - base))


@dataclass(frozen=True)
class Base:
    """The state that a form was opened with: a digest of each field, and unresolved conflicts.

    ``members`` has the digest of each name of a field that is a set of names.
    """

    digests: Mapping[str, str]
    undecided: tuple[str, ...] = ()
    members: Mapping[str, Collection[str]] = field(default_factory=dict)

    def signed(self, owner: str) -> str:
        """Return the value of a hidden input, valid only for ``owner``."""
        members = {name: sorted(digests) for name, digests in self.members.items()}
        return _signer(owner).sign_object([dict(self.digests), list(self.undecided), members])

    @classmethod
    def read(cls, text: str, owner: str) -> "Base | None":
        """Return what ``signed`` wrote for the same owner, or ``None`` if it is invalid."""
        try:
            digests, undecided, members = _signer(owner).unsign_object(text)
        except (signing.BadSignature, ValueError):
            return None
        return cls(digests, tuple(undecided), members)


def digest(value: str) -> str:
    """Return a digest of ``value``, which shows only whether it changed."""
    return hashlib.sha256(value.encode(errors="replace")).hexdigest()[:16]


def _signer(owner: str) -> signing.Signer:
    return signing.Signer(salt=f"gatehouse.edit:{owner}")
