"""Template tags for all pages."""

from datetime import datetime
from functools import cache
from typing import Any

from django import template
from django.template.context import RequestContext
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import get_script_prefix, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from gatewayproject.console.panels import panels_at
from gatewayproject.console.wording import counted

register = template.Library()

_SPANS = ((60, "minute"), (3600, "hour"), (86400, "day"))
_PLAIN_AFTER = 30 * 86400  # seconds


@register.simple_tag
@cache  # a list has a hundred of them, and the URL of the sprite does not change
def icon(name: str) -> SafeString:
    """An icon of the sprite, hidden from screen readers, which read the text next to it."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>',
        static("img/icons.svg"),
        name,
    )


@register.simple_tag
def when(moment: datetime | None) -> SafeString | str:
    """How long ago, with the exact time as title. Kept simple: a list has a hundred of these."""
    if moment is None:
        return "—"
    local = _local(moment)
    exact, title = local.isoformat(timespec="seconds"), f"{local:%Y-%m-%d %H:%M:%S %Z}"
    html = f'<time datetime="{exact}" title="{title}">{_ago(local)}</time>'
    return mark_safe(html)  # noqa: S308 - no user input


@register.simple_tag
def last_use(hour: datetime | None) -> SafeString | str:
    """How long ago it was used; only the hour is known."""
    if hour is None:
        return mark_safe('<span class="muted">Never</span>')
    local = _local(hour)
    ago = "this hour" if (timezone.now() - local).total_seconds() < 3600 else _ago(local)
    exact, title = local.isoformat(timespec="seconds"), f"{local:%Y-%m-%d %H:%M %Z}, within an hour"
    html = f'<time datetime="{exact}" title="{title}">{ago}</time>'
    return mark_safe(html)  # noqa: S308 - no user input


@register.simple_tag
def day(moment: datetime | None) -> SafeString:
    """The day, with the exact time as title."""
    if moment is None:
        return mark_safe('<span class="muted">—</span>')
    local = _local(moment)
    exact, title = local.isoformat(timespec="seconds"), f"{local:%Y-%m-%d %H:%M:%S %Z}"
    html = f'<time datetime="{exact}" title="{title}">{local:%b} {local.day}, {local.year}</time>'
    return mark_safe(html)  # noqa: S308 - no user input


@register.filter
def until(moment: datetime) -> str:
    """How far in the future: "in 3 days"."""
    seconds = max((moment - timezone.now()).total_seconds(), 0)
    size, unit = next((span for span in reversed(_SPANS) if seconds >= span[0]), _SPANS[0])
    return f"in {plural(int(seconds // size), unit)}"


def _local(moment: datetime) -> datetime:
    """Return ``moment`` in TIME_ZONE, which applies to all users."""
    return moment.astimezone(timezone.get_default_timezone())


def _ago(local: datetime) -> str:
    seconds = (timezone.now() - local).total_seconds()
    if seconds < 60:
        return "just now"
    if seconds >= _PLAIN_AFTER:
        return f"{local:%b} {local.day}, {local.year}"
    size, unit = next(span for span in reversed(_SPANS) if seconds >= span[0])
    number = int(seconds // size)
    return f"{counted(number, unit)} ago"


@register.inclusion_tag("ui/sort_header.html", takes_context=True)
def sort_header(
    context: RequestContext, key: str, label: str, current: str, style: str = ""
) -> dict[str, Any]:
    """A column heading that sorts by it, or reverses the order if it already does."""
    ascending, descending = current == key, current == f"-{key}"
    query = context["request"].GET.copy()
    query.pop("page", None)
    query["sort"] = f"-{key}" if ascending else key
    return {
        "label": label,
        "style": style,
        "url": f"?{query.urlencode()}",
        "order": "ascending" if ascending else "descending" if descending else "none",
    }


@register.simple_tag(takes_context=True)
def section_tab(context: RequestContext, view_name: str, icon_name: str, label: str) -> SafeString:
    """A tab of the section header. It is current on each page whose URL is below the tab's own."""
    url, path = reverse(view_name), context["request"].path
    is_current = path == url if url == get_script_prefix() else path.startswith(url)
    return format_html(
        '<a href="{}"{}>{}{}</a>',
        url,
        mark_safe(' aria-current="page"') if is_current else "",
        icon(icon_name),
        label,
    )


@register.filter
def plural(number: int, noun: str) -> str:
    """``3|plural:"endpoint"`` → "3 endpoints"."""
    return counted(number, noun)


@register.simple_tag(takes_context=True)
def panels(context: RequestContext, place: str, **subject: Any) -> SafeString:
    """What other apps show on this page; see ``console.panels``."""
    request = context["request"]
    rendered = (
        (render_to_string(panel.template, dict(panel.context(request, subject)), request),)
        for panel in panels_at(place)
    )
    return format_html_join("", "{}", rendered)
