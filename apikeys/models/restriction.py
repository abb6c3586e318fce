"""What keeps good credentials from serving: no permission for a model, no credit, and the like."""

from django.db import models

from apikeys.catalogue.provider_errors import Cause

from .credential_version import CredentialVersion

ADVICE = {
    Cause.NO_CREDIT: "Add credit or raise the limit at the provider.",
    Cause.NOT_PERMITTED: "Check the key’s permissions, models and region at the provider.",
    Cause.MODEL_MISSING: "Check the name of the model in the endpoint, or deploy it.",
    Cause.LOCATION: "The provider does not serve the location of this server.",
    Cause.CHALLENGE: "Check whether the provider blocks this server’s IP address.",
}


class Restriction(models.Model):
    """The provider accepts these credentials, and still refuses to serve.

    With a ``model``, it refuses one operation of that model; without, everything.
    """

    version = models.ForeignKey(
        CredentialVersion, on_delete=models.CASCADE, related_name="restrictions"
    )
    model = models.CharField(max_length=200, blank=True)
    operation = models.CharField(max_length=160, blank=True)  # such as "chat/completions"
    cause = models.CharField(max_length=20, choices=Cause)
    status = models.PositiveSmallIntegerField()
    code = models.CharField(max_length=100, blank=True)  # the provider's, if it is a known one
    since = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        ordering = ["model", "operation"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "model", "operation"], name="apikeys_restriction_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.what}: {self.get_cause_display().lower()} ({self.reply})"

    @property
    def what(self) -> str:
        """What is refused."""
        return f"{self.model} ({self.operation})" if self.model else "All models"

    @property
    def advice(self) -> str:
        """What a key manager can do about it."""
        return ADVICE.get(Cause(self.cause), "")

    @property
    def reply(self) -> str:
        """What the provider returned."""
        return f"{self.status}, {self.code}" if self.code else str(self.status)
