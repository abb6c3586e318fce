"""Giving up what no master key opens, once that key is lost for good. It can be run again."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction

from apikeys.models import ApiKey, CredentialVersion, FingerprintKey
from apikeys.models.api_key import SLOTS
from apikeys.sealing import master_keys
from apikeys.services import versions
from apikeys.services.sqlite_wal import finish_erasing
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent

from . import audit
from .preflight import Objection, RotationRefused, refuse_while_others_may_open
from .rotation import Progress
from .unreadable import unreadable_others, unreadable_versions


@dataclass
class Forgotten:
    """What was destroyed, or would be."""

    under: Counter[str] = field(default_factory=Counter)  # versions by their recorded master key
    others: list[str] = field(default_factory=list)  # whatever else, by name
    left: list[str] = field(default_factory=list)  # API keys that have no credentials in use
    stopped: Sequence[Objection] = ()  # reasons that ended it early
    erased: bool = True  # whether it has left SQLite's files

    @property
    def rows(self) -> int:
        return self.under.total() + len(self.others)


def would_forget() -> Forgotten:
    """Return what there is to be destroyed.

    Raises ``RotationRefused`` if a live process may be able to decrypt it.
    """
    refuse_while_others_may_open()
    lost = unreadable_versions(look_at_each=True, limit=None)
    in_use = [row.api_key.name for row in lost if row.pk == row.api_key.current_id]
    under = Counter(row.master_key for row in lost)
    return Forgotten(under, unreadable_others(), [*in_use, *_without_credentials()])


def forget_unreadable(*, by: Actor, progress: Progress | None = None) -> Forgotten:
    """Destroy everything that no master key decrypts.

    Raises ``RotationRefused`` if a live process may be able to decrypt it. If one appears later,
    this has ``stopped``.
    """
    report = Forgotten()
    try:
        refuse_while_others_may_open()
        unreadable = unreadable_versions(look_at_each=True, limit=None)
        owners = list(dict.fromkeys(version.api_key_id for version in unreadable))
        for done, pk in enumerate(owners, start=1):
            refuse_while_others_may_open()
            report.under += _forget_versions_of(pk, by=by)
            if progress:
                progress("Forgetting", done, len(owners))
        if unreadable_others():
            refuse_while_others_may_open()
            report.others += _replace_fingerprint_key(by=by)
    except RotationRefused as refusal:
        if not report.rows:
            raise
        report.stopped = refusal.problems
    known = master_keys().fingerprints
    lost = {name: rows for name, rows in report.under.items() if name not in known}
    audit.gave_up(lost, by=by)
    report.left = _without_credentials()
    report.erased = finish_erasing()
    return report


def _forget_versions_of(pk: UUID, *, by: Actor) -> Counter[str]:
    """Destroy the unreadable versions of one API key."""
    with transaction.atomic():
        api_key = ApiKey.objects.lock(pk).get(pk)
        if api_key is None:
            return Counter()  # deleted concurrently
        stored = api_key.versions.filter(sealed__isnull=False).order_by("pk").select_for_update()
        lost = {version.pk: version for version in stored if not version.is_readable()}
        if not lost:
            return Counter()  # another process was faster
        slots = [slot for slot in SLOTS if getattr(api_key, f"{slot}_id") in lost]
        versions.swap(api_key, rev=api_key.rev, **dict.fromkeys(slots))
        versions.destroy(lost.values())
        AuditEvent.record(
            by,
            "forgot unreadable credentials",
            api_key,
            fields={part for version in lost.values() for part in version.part_names},
            note=f"{', '.join(slots) or 'not in use'}: no master key decrypts them",
        )
    return Counter(version.master_key for version in lost.values())


def _replace_fingerprint_key(*, by: Actor) -> list[str]:
    """Replace an unreadable fingerprint key. New equal credentials are recognized again."""
    with transaction.atomic():
        # Lock order: keys before versions, to avoid deadlocks.
        list(ApiKey.objects.select_for_update().order_by("pk").values_list("pk"))
        row = FingerprintKey.objects.select_for_update().filter(pk=FingerprintKey.THE_ONE).first()
        if row is None or master_keys().recognize(row.sealed):
            return []
        CredentialVersion.objects.exclude(fingerprint="").update(fingerprint="")
        row.delete()
        FingerprintKey.get()
        audit.began_fingerprints_anew(master_keys().primary, by=by)
    return [str(row)]


def _without_credentials() -> list[str]:
    """Return the names of the API keys whose credentials must be entered again."""
    keys = ApiKey.objects.filter(current=None).select_related("scheme").sorted_by("name")
    return [
        key.name
        if key.scheme.secret_specs
        else f"{key.name} (nothing to enter: open Edit and save)"
        for key in keys
    ]
