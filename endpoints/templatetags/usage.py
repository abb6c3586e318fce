"""``{% usage api_key=api_key %}``: what went through a key, an endpoint or a token."""

from typing import Any

from django import template
from django.template.context import RequestContext
from django.urls import reverse

from endpoints.services.usage_report import Point, UsageReport, usage_of
from endpoints.services.usage_spans import LAST_HOURS, SPANS
from endpoints.showing_usage.charts import charts_of, label_of
from endpoints.showing_usage.figures import figures_of
from endpoints.showing_usage.numbers import compact, money

register = template.Library()

register.filter(compact)
register.filter(money)


@register.inclusion_tag("ui/usage.html", takes_context=True)
def usage(context: RequestContext, **owner: Any) -> dict[str, Any]:
    request = context["request"]
    span = SPANS.get(request.GET.get("usage", ""), LAST_HOURS)
    report = usage_of(**owner, span=span)
    return {
        **owner,
        "report": report,
        "spans": SPANS.values(),
        "figures": figures_of(report),
        "charts": charts_of(report) if report.points else [],
        "gateway": request.build_absolute_uri("/gateway/v1/chat/completions"),
        "tokens_url": reverse("endpoints:tokens"),
    }


@register.simple_tag
def point_label(point: Point, report: UsageReport) -> str:
    return label_of(point.start, report)
