"""Numbers and labels of the usage panel."""

from django import template

from endpoints.usage.charts import label_of
from endpoints.usage.numbers import compact, money
from endpoints.usage.report import Point, UsageReport

register = template.Library()

register.filter(compact)
register.filter(money)


@register.simple_tag
def point_label(point: Point, report: UsageReport) -> str:
    return label_of(point.start, report)
