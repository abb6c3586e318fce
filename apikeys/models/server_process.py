"""The server processes, as each reports itself."""

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import ExpressionWrapper
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

DEAD_AFTER = timedelta(seconds=60)  # four heartbeats
FORGOTTEN_AFTER = timedelta(days=1)


class ServerProcessQuerySet(models.QuerySet["ServerProcess"]):
    """Compares times by the database's clock, because those of the machines may differ."""

    def live(self) -> "ServerProcessQuerySet":
        return self.filter(seen_at__gt=_ago(DEAD_AFTER))

    def forgotten(self) -> "ServerProcessQuerySet":
        return self.filter(seen_at__lte=_ago(FORGOTTEN_AFTER))


class ServerProcess(models.Model):
    """A server process, and the fingerprints of its master keys."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    version = models.CharField(max_length=40)
    master_keys = models.JSONField(default=list)  # the first one encrypts
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    objects = ServerProcessQuerySet.as_manager()

    class Meta:
        ordering = ["host", "pid"]

    def __str__(self) -> str:
        return f"{self.host} (process {self.pid})"

    def opens(self, master_key: str) -> bool:
        return master_key in self.master_keys

    def seals_under(self, master_key: str) -> bool:
        return bool(self.master_keys[:1] == [master_key])


def _ago(span: timedelta) -> Combinable:
    return ExpressionWrapper(Now() - span, output_field=models.DateTimeField())
