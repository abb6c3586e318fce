"""Template tags for API keys."""

from collections.abc import Sequence
from datetime import datetime

from django import template
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from apikeys.models.deadlines import Status
from gatewayproject.console.templatetags.ui import until

register = template.Library()


@register.simple_tag
def status_badges(statuses: Sequence[Status], expires: datetime | None) -> SafeString:
    """The statuses of an API key, without a template, because each row of a list may have some."""
    expiring = f"Expires {until(expires)}" if expires else Status.EXPIRING.label
    return format_html_join(
        " ",
        '<span class="badge {}">{}</span>',
        (
            (status.tone, expiring if status == Status.EXPIRING else status.label)
            for status in statuses
        ),
    )
