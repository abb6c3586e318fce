"""The alert rules and the dashboard in docs/monitoring: they parse, and name only what there is."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from apikeys.models import ApiKey, Restriction
from endpoints.models import OpenCircuit
from tests.conftest import MakeEndpoint, MakeKey
from tests.usage import use

pytestmark = pytest.mark.django_db

ROOT = Path(settings.BASE_DIR)
ALERTS = ROOT / "docs/monitoring/alerts.yml"
DASHBOARD = ROOT / "docs/monitoring/grafana.json"
OPERATIONS = ROOT / "docs/operations.md"


@pytest.fixture
def metrics(client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint) -> str:
    """The metrics of an installation that has a sample of each."""
    key = make_key("ours")
    use(make_endpoint("search", key).routes.get(), first_byte_within_50_ms=1)
    key.refresh_from_db()
    now = timezone.now()
    ApiKey.objects.update(expires_at=now + timedelta(days=3))
    OpenCircuit.objects.create(version=key.current, since=now, until=now + timedelta(days=1))
    facts = {"status": 402, "since": now, "last_at": now}
    Restriction.objects.create(version=key.current, cause="no_credit", **facts)
    return client.get("/metrics").content.decode()


def rules() -> list[dict[str, str]]:
    document = yaml.safe_load(ALERTS.read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    dashboard = json.loads(DASHBOARD.read_text())
    targets = [target for panel in dashboard["panels"] for target in panel["targets"]]
    queries = [each["query"] for each in dashboard["templating"]["list"]]
    return [
        *(rule["expr"] for rule in rules()),
        *(target["expr"] for target in targets),
        *(query["query"] for query in queries if isinstance(query, dict)),
    ]


def test_every_metric_that_is_named_exists_with_its_labels(metrics: str) -> None:
    found = [s for family in text_string_to_metric_families(metrics) for s in family.samples]
    labels = {sample.name: sample.labels.keys() for sample in found}
    assert len(expressions()) > 15

    for expression in expressions():
        for name, selector in re.findall(r"(gatehouse_\w+)(\{.*?\})?", expression):
            assert name in labels, expression
            assert set(re.findall(r"(\w+)[=!]", selector)) <= labels[name], expression


def test_every_exported_metric_is_documented_and_on_the_dashboard(metrics: str) -> None:
    documented, shown = OPERATIONS.read_text(), DASHBOARD.read_text()
    families = [family.name for family in text_string_to_metric_families(metrics)]
    assert len(families) >= 10

    for name in families:
        assert f"`{name}" in documented
        assert name in shown


def test_every_alert_says_what_is_wrong_and_how_bad_it_is() -> None:
    for rule in rules():
        assert rule["alert"].startswith("Gatehouse")
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["annotations"]["description"].endswith(".")


def test_no_rule_adds_up_what_every_server_exports() -> None:
    for expression in expressions():
        for function in re.findall(
            r"(\w+)(?: (?:by|without) \([\w, ]+\))? ?\(gatehouse", expression
        ):
            assert function in ("max", "min", "absent", "rate", "label_values"), expression
