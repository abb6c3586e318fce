"""Routes that are tried last because their provider does not respond."""

from django.db import models

from apikeys.models import CredentialVersion


class OpenCircuit(models.Model):
    """A server process tries these credentials last, for one model or, without one, for all.

    Pages and metrics show the rows; no process routes by the rows of another. A row without news
    counts until ``until``, so that a process that was killed leaves nothing behind.
    """

    version = models.ForeignKey(CredentialVersion, on_delete=models.CASCADE, related_name="+")
    model = models.CharField(max_length=200, blank=True)
    since = models.DateTimeField()
    until = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version", "model"], name="endpoints_open_circuit_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.model or 'All models'} since {self.since:%Y-%m-%d %H:%M}"
