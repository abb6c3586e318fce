"""What is remembered of master keys."""

from django.db import models


class MasterKey(models.Model):
    """A master key that rows were moved to, or away from: its fingerprint, never the key."""

    fingerprint = models.CharField(max_length=16, primary_key=True)
    retired_at = models.DateTimeField(null=True)  # since when everything moves away from it

    def __str__(self) -> str:
        return self.fingerprint
