"""The audit trail: append-only, and independent of what it tells about."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connection, models
from django.utils import timezone

from apikeys.actors import Actor


class EventQuerySet(models.QuerySet["Event"]):
    def about(self, subject: models.Model) -> "EventQuerySet":
        return self.filter(subject_type=subject._meta.model_name, subject_id=str(subject.pk))

    def update(self, **kwargs: Any) -> int:
        raise PermissionError("Events are never changed.")

    def delete(self) -> Any:
        raise PermissionError("Events are never deleted.")


class Event(models.Model):
    """One act: who, when, from where, on what, which fields. Never a value."""

    class Channel(models.TextChoices):
        PAGE = "page", "Page"
        ADMIN = "admin", "Admin"
        COMMAND = "command", "Command"
        GATEWAY = "gateway", "Gateway"

    at = models.DateTimeField(default=timezone.now, editable=False)
    actor = models.CharField(max_length=150)
    actor_id = models.BigIntegerField(null=True)  # no foreign key: accounts go, events stay
    channel = models.CharField(max_length=10, choices=Channel)
    address = models.CharField(max_length=45, blank=True)
    act = models.CharField(max_length=30)
    subject_type = models.CharField(max_length=30)
    subject_id = models.CharField(max_length=36)
    subject_name = models.CharField(max_length=120)
    fields = models.JSONField(default=list)
    note = models.CharField(max_length=200, blank=True)

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["-at", "-id"], name="apikeys_event_newest"),
            models.Index(
                fields=["subject_type", "subject_id", "-at"], name="apikeys_event_subject"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.act} {self.subject_name}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None and not self._state.adding:
            raise PermissionError("Events are never changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        raise PermissionError("Events are never deleted.")

    @property
    def act_on(self) -> str:
        """The act as it is said before its subject: "promoted credentials of"."""
        return f"{self.act} of" if self.act.endswith("credentials") else self.act

    @classmethod
    def record(
        cls, by: Actor, act: str, subject: models.Model, *, fields: Any = (), note: str = ""
    ) -> "Event":
        """Write down an act, in the transaction of the act itself."""
        if not connection.in_atomic_block:
            raise ImproperlyConfigured("An event is written in the transaction of its act.")
        return cls.objects.create(
            actor=by.name,
            actor_id=by.user_id,
            channel=by.channel,
            address=by.address,
            act=act,
            subject_type=subject._meta.model_name,
            subject_id=str(subject.pk),
            subject_name=str(subject)[:120],
            fields=sorted(fields),
            note=note[:200],
        )
