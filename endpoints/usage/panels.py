"""Usage on the pages of API keys, endpoints, tokens, and on the Overview."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from gatewayproject.console import panels

from .charts import charts_of
from .figures import figures_of
from .forms import span_of
from .report import in_short, usage_of
from .time_ranges import SPANS

MAX_SHARES = 10


def register_panels() -> None:
    for place in ("api_key", "endpoint", "token", "overview"):
        panels.register(place, "usage/usage.html", usage_context)


def usage_context(request: HttpRequest, owner: dict[str, Any]) -> dict[str, Any]:
    """Return what the usage panel of ``owner`` shows: a key, an endpoint, a token, or all."""
    span, form = span_of(request.GET)
    report = usage_of(**owner, span=span)
    shows_all = request.GET.get("shares") == "all"
    query = request.GET.copy()
    query["shares"] = "all"
    return {
        **owner,
        "report": report,
        "spans": SPANS.values(),
        "range": form,
        "here": request.path,
        "splits": report.splits
        if shows_all
        else [in_short(split, MAX_SHARES) for split in report.splits],
        "all_shares_url": "" if shows_all else f"?{query.urlencode()}",
        "most_shares": MAX_SHARES,
        "figures": figures_of(report),
        "charts": charts_of(report) if report.points else [],
        "gateway": request.build_absolute_uri("/gateway/v1/chat/completions"),
        "tokens_url": reverse("endpoints:tokens"),
    }
