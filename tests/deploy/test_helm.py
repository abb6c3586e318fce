"""The chart, as Helm renders it. Needs ``helm``; ``kubernetes-validate`` checks the schemas."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.installation import ROOT

CHART = ROOT / "deploy/helm/gatehouse"
HELM = shutil.which("helm")
VALIDATE = shutil.which("kubernetes-validate")
pytestmark = pytest.mark.skipif(HELM is None, reason="helm is not installed")

REQUIRED = {
    "image": {"repository": "registry.example/gatehouse"},
    "existingSecret": "gatehouse",
    "hosts": ["gatehouse.example.com"],
    "trustedProxies": "10.0.0.0/8",
}
EVERYTHING = REQUIRED | {
    "autoscaling": {"enabled": True},
    "ingress": {"enabled": True, "className": "nginx", "tlsSecretName": "tls"},
    "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]},
    "metrics": {"enabled": True, "serviceMonitor": True},
    "networkPolicy": {"ingressFrom": [{"namespaceSelector": {"matchLabels": {"name": "in"}}}]},
    "settings": {"GATEWAY_MAX_BODY_MB": 64, "GATEWAY_RETRY_TIMEOUTS": True},
    "imagePullSecrets": ["registry"],
    "podAnnotations": {"example.com/a": "b"},
    "serviceAccountName": "gatehouse",
    "nodeSelector": {"kubernetes.io/arch": "arm64"},
}
# Kinds whose schemas are not Kubernetes' own.
CUSTOM = {"HTTPRoute", "ServiceMonitor"}


def helm(tmp_path: Path, values: dict[str, Any], *command: str) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    return subprocess.run(
        [HELM, *(command or ("template", "test")), CHART, "--namespace", "apps", "--values", file],
        env={**os.environ, "HELM_CACHE_HOME": str(tmp_path), "HELM_CONFIG_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )


def rendered(tmp_path: Path, values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the resources by kind; of CronJobs, the last."""
    done = helm(tmp_path, values)
    assert done.returncode == 0, done.stderr
    return {item["kind"]: item for item in yaml.safe_load_all(done.stdout) if item}


def refusal(tmp_path: Path, values: dict[str, Any]) -> str:
    done = helm(tmp_path, values)
    assert done.returncode != 0
    return done.stderr


def pods(resources: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    job = resources["CronJob"]["spec"]["jobTemplate"]
    return [
        item["spec"]["template"]["spec"]
        for item in (resources["Deployment"], resources["Job"], job)
    ]


def test_the_chart_has_at_most_twelve_templates() -> None:
    assert len(list((CHART / "templates").iterdir())) <= 12


def test_helm_finds_nothing_to_criticize(tmp_path: Path) -> None:
    done = helm(tmp_path, EVERYTHING, "lint", "--strict")

    assert done.returncode == 0, done.stdout


def test_every_kind_is_rendered(tmp_path: Path) -> None:
    assert set(rendered(tmp_path, REQUIRED)) == {
        *("Deployment", "Job", "CronJob", "Service", "NetworkPolicy", "PodDisruptionBudget"),
    }
    assert set(rendered(tmp_path, EVERYTHING)) == {
        *("Deployment", "Job", "CronJob", "Service", "NetworkPolicy", "PodDisruptionBudget"),
        *("HorizontalPodAutoscaler", "HTTPRoute", "Ingress", "ServiceMonitor"),
    }


@pytest.mark.skipif(VALIDATE is None, reason="kubernetes-validate is not installed")
@pytest.mark.parametrize("values", [REQUIRED, EVERYTHING], ids=["required", "everything"])
def test_kubernetes_accepts_what_is_rendered(tmp_path: Path, values: dict[str, Any]) -> None:
    found = [item for item in yaml.safe_load_all(helm(tmp_path, values).stdout) if item]
    file = tmp_path / "rendered.yaml"
    file.write_text(yaml.safe_dump_all(item for item in found if item["kind"] not in CUSTOM))

    done = subprocess.run([VALIDATE, "--strict", file], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_chart_makes_no_secret_and_takes_all_of_them_as_files(tmp_path: Path) -> None:
    resources = rendered(tmp_path, EVERYTHING)

    assert "Secret" not in resources
    for pod in pods(resources):
        [container] = pod["containers"]
        values = {item["name"]: item.get("value") for item in container["env"]}
        for name in ("SECRET_KEY", "FERNET_KEYS", "DATABASE_URL", "METRICS_TOKEN"):
            assert values[f"{name}_FILE"] == f"/run/secrets/gatehouse/{name}"
            assert name not in values
        assert {"secretName": "gatehouse"}.items() <= pod["volumes"][2]["secret"].items()


def test_pods_run_without_privileges(tmp_path: Path) -> None:
    for pod in pods(rendered(tmp_path, EVERYTHING)):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["automountServiceAccountToken"] is False
        [container] = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize(("drain", "stream"), [(5, 600), (0, 1), (30, 7200)])
def test_the_grace_period_is_longer_than_the_longest_stream(
    tmp_path: Path, drain: int, stream: int
) -> None:
    values = REQUIRED | {"drainSeconds": drain, "streamSeconds": stream}

    [pod, *_] = pods(rendered(tmp_path, values))

    env = {item["name"]: item.get("value") for item in pod["containers"][0]["env"]}
    assert env["UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN"] == str(stream)
    assert env["DRAIN_SECONDS"] == str(drain)
    assert pod["terminationGracePeriodSeconds"] > drain + stream


def test_the_first_password_reaches_only_the_migration_job(tmp_path: Path) -> None:
    server, job, command = (
        {item["name"] for item in pod["containers"][0]["env"]}
        for pod in pods(rendered(tmp_path, REQUIRED))
    )

    assert "DJANGO_SUPERUSER_PASSWORD_FILE" in job
    assert "DJANGO_SUPERUSER_PASSWORD_FILE" not in server | command


def test_selectors_choose_the_server_and_no_job(tmp_path: Path) -> None:
    resources = rendered(tmp_path, EVERYTHING)
    labels = resources["Deployment"]["spec"]["template"]["metadata"]["labels"]
    job = resources["Job"]["spec"]["template"]["metadata"]["labels"]

    for selector in (
        resources["Service"]["spec"]["selector"],
        resources["Deployment"]["spec"]["selector"]["matchLabels"],
        resources["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
        assert not selector.items() <= job.items()
    isolated = resources["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]
    assert isolated.items() <= labels.items()
    assert isolated.items() <= job.items()


@pytest.mark.parametrize("name", REQUIRED)
def test_what_cannot_be_guessed_is_required(tmp_path: Path, name: str) -> None:
    assert name in refusal(tmp_path, {key: value for key, value in REQUIRED.items() if key != name})


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"settings": {"FERNET_KEYS": "x"}}, "FERNET_KEYS"),
        ({"settings": {"DATABASE_URL_FILE": "/x"}}, "DATABASE_URL_FILE"),
        ({"replica": 3}, "replica"),
        ({"image": {"repository": "x", "digest": "sha256:x"}}, "digest"),
        ({"ingress": {"enabled": True}}, "ingress.tlsSecretName is required"),
        ({"metrics": {"serviceMonitor": True}}, "metrics.serviceMonitor needs metrics.enabled"),
    ],
)
def test_values_that_cannot_work_are_refused(
    tmp_path: Path, values: dict[str, Any], named: str
) -> None:
    assert named in refusal(tmp_path, REQUIRED | values)


def test_every_value_is_explained_by_the_schema() -> None:
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    assert set(values) == set(schema["properties"]) - {"global"}


def test_the_chart_has_the_version_of_gatehouse() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = (ROOT / "pyproject.toml").read_text()

    assert f'version = "{chart["appVersion"]}"' in project
