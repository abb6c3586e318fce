"""What providers keep for later calls: responses, conversations, files, batches and the like."""

from django.db import models
from django.utils import timezone

from apikeys.models import ApiKey


class StoredObject(models.Model):
    """Which API key created an object that a provider keeps. Another key does not find it there."""

    digest = models.CharField(
        max_length=64, primary_key=True, help_text="SHA-256 of the provider's ID."
    )
    api_key = models.ForeignKey(
        ApiKey,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        help_text="Empty once the API key was deleted.",
    )
    endpoint_number = models.PositiveBigIntegerField(
        null=True, help_text="The ID of the endpoint whose request created it."
    )
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return self.digest[:12]
