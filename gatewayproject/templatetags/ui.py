"""Small pieces that templates write often."""

from datetime import datetime
from typing import Any

from django import template
from django.template.context import RequestContext
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

_SPANS = ((60, "minute"), (3600, "hour"), (86400, "day"))
_PLAIN_AFTER = 30 * 86400  # seconds


@register.simple_tag
def icon(name: str) -> SafeString:
    """An icon of the sprite. It says nothing to a screen reader: the text beside it does."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>',
        static("img/icons.svg"),
        name,
    )


@register.simple_tag
def when(moment: datetime | None) -> SafeString | str:
    """How long ago, with the exact time at hand. By hand, as a list has a hundred of these."""
    if moment is None:
        return "—"
    local = timezone.localtime(moment)
    exact, told = local.isoformat(timespec="seconds"), f"{local:%Y-%m-%d %H:%M:%S %Z}"
    html = f'<time datetime="{exact}" title="{told}">{_ago(local)}</time>'
    return mark_safe(html)  # noqa: S308 - nobody has typed any of it


def _ago(local: datetime) -> str:
    seconds = (timezone.now() - local).total_seconds()
    if seconds < 60:
        return "just now"
    if seconds >= _PLAIN_AFTER:
        return f"{local:%b} {local.day}, {local.year}"
    size, unit = next(span for span in reversed(_SPANS) if seconds >= span[0])
    number = int(seconds // size)
    return f"{number} {unit}{'' if number == 1 else 's'} ago"


@register.inclusion_tag("ui/sort_header.html", takes_context=True)
def sort_header(context: RequestContext, key: str, label: str, current: str) -> dict[str, Any]:
    """A column's heading that sorts by it, and the other way round when it does so already."""
    ascending, descending = current == key, current == f"-{key}"
    query = context["request"].GET.copy()
    query.pop("page", None)
    query["sort"] = f"-{key}" if ascending else key
    return {
        "label": label,
        "url": f"?{query.urlencode()}",
        "order": "ascending" if ascending else "descending" if descending else "none",
    }


@register.filter
def plural(number: int, noun: str) -> str:
    """``3|plural:"endpoint"`` → "3 endpoints"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
