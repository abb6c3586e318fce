"""Audit events: append-only, and independent of their subjects."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Self

from django.core.exceptions import ImproperlyConfigured
from django.db import connection, models
from django.db.models import Q
from django.utils import timezone

from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.event_labels import KINDS, label_of, subjects_of

AT_ONCE = timedelta(seconds=5)  # the longest pause within one bulk action


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    def about(self, subject: models.Model) -> "AuditEventQuerySet":
        return self.filter(subject_type=subject._meta.model_name, subject_id=str(subject.pk))

    def search(self, text: str) -> "AuditEventQuerySet":
        """Keep events with ``text`` in the name of the subject or the actor."""
        return self.filter(Q(subject_name__icontains=text) | Q(actor__icontains=text))

    def update(self, **kwargs: Any) -> int:
        raise PermissionError("Audit events cannot be changed.")

    def delete(self) -> Any:
        raise PermissionError("Audit events cannot be deleted.")


class AuditEvent(models.Model):
    """One action: who, when, from where, on what, which fields. Never values."""

    class Channel(models.TextChoices):
        PAGE = "page", "Web"
        ADMIN = "admin", "Admin"
        COMMAND = "command", "Command line"
        GATEWAY = "gateway", "Gateway"

    at = models.DateTimeField(default=timezone.now, editable=False)
    actor = models.CharField(max_length=150)
    actor_id = models.BigIntegerField(null=True)  # no foreign key: events outlive accounts
    channel = models.CharField(max_length=10, choices=Channel)
    address = models.CharField(max_length=45, blank=True)
    act = models.CharField(max_length=30)
    subject_type = models.CharField(max_length=30)
    subject_id = models.CharField(max_length=36)
    subject_name = models.CharField(max_length=120)
    fields = models.JSONField(default=list)
    note = models.CharField(max_length=200, blank=True)

    subject: models.Model | None = None  # set by ``attach_subjects`` if it still exists
    alike: "list[AuditEvent]" = []  # this event and the others of one bulk action
    is_cut = False  # whether older ones may belong to it too

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["-at", "-id"], name="accounts_event_newest"),
            models.Index(
                fields=["subject_type", "subject_id", "-at"], name="accounts_event_subject"
            ),
            # Filters of the Activity page, newest first.
            models.Index(fields=["actor", "-at", "-id"], name="accounts_event_actor"),
            models.Index(fields=["act", "-at", "-id"], name="accounts_event_act"),
            models.Index(fields=["subject_type", "-at", "-id"], name="accounts_event_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.act} {self.subject_name}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None and not self._state.adding:
            raise PermissionError("Audit events cannot be changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        raise PermissionError("Audit events cannot be deleted.")

    @property
    def act_on(self) -> str:
        """The action as it is written before its subject: "promoted credentials of"."""
        return f"{self.act} of" if self.act.endswith("credentials") else self.act

    @property
    def kind(self) -> str:
        """The kind of subject, as a noun."""
        return KINDS.get(self.subject_type, self.subject_type)

    @property
    def count(self) -> str:
        """How many things it and its likes are about: "5 API keys"."""
        return f"{len(self.alike)}{'+' if self.is_cut else ''} {self.kind}s"

    @property
    def url(self) -> str:
        """The page of the subject, or "" if there is none."""
        if self.subject is None or not getattr(self.subject, "has_page", True):
            return ""
        return str(self.subject.get_absolute_url())  # type: ignore[attr-defined]  # see subjects_of

    @property
    def field_labels(self) -> list[str]:
        """The labels of the fields, as forms show them."""
        return list(dict.fromkeys(label_of(self.subject_type, name) for name in self.fields))

    @classmethod
    def record(
        cls, by: Actor, act: str, subject: models.Model, *, fields: Any = (), note: str = ""
    ) -> Self:
        """Record an action, in the transaction of that action."""
        event = cls.of(by, act, subject, fields=fields, note=note)
        cls._check_transaction()
        event.save(force_insert=True)
        return event

    @classmethod
    def record_all(cls, events: "Iterable[Self]") -> None:
        """Save events created by ``of``, in the transaction of their actions."""
        cls._check_transaction()
        cls.objects.bulk_create(events)

    @staticmethod
    def _check_transaction() -> None:
        if not connection.in_atomic_block:
            raise ImproperlyConfigured("Record audit events in the transaction of their action.")

    @classmethod
    def of(
        cls, by: Actor, act: str, subject: models.Model, *, fields: Any = (), note: str = ""
    ) -> Self:
        """Return an unsaved event."""
        return cls(
            actor=by.name,
            actor_id=by.user_id,
            channel=by.channel,
            address=by.address,
            act=act,
            subject_type=subject._meta.model_name or "",
            subject_id=str(subject.pk),
            subject_name=str(subject)[:120],
            fields=sorted(fields),
            note=note[:200],
        )


def group_events(events: Iterable[AuditEvent], *, is_cut: bool) -> list[AuditEvent]:
    """Return one of each run of events that differ only in what they are about.

    ``is_cut`` is whether older events follow, which may belong to the last run.
    """
    groups: list[AuditEvent] = []
    for event in events:
        if groups and _is_alike(event, groups[-1].alike[-1]):
            groups[-1].alike.append(event)
        else:
            event.alike = [event]
            groups.append(event)
    if groups:
        groups[-1].is_cut = is_cut and len(groups[-1].alike) > 1
    return groups


def _is_alike(event: AuditEvent, newer: AuditEvent) -> bool:
    names = ("actor", "actor_id", "channel", "address", "act", "subject_type", "fields", "note")
    is_same = all(getattr(event, name) == getattr(newer, name) for name in names)
    return is_same and newer.at - event.at <= AT_ONCE and event.subject_id != newer.subject_id


def attach_subjects(events: Iterable[AuditEvent]) -> None:
    """Load the subjects of ``events``, with one query per kind."""
    subjects = subjects_of(events)
    for event in events:
        event.subject = subjects.get((event.subject_type, event.subject_id))
