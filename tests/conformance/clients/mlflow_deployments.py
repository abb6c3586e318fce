"""MLflow's deployment client, with the token as password."""

import os

from driver import HELLO, Target, main
from mlflow.deployments import get_deploy_client
from mlflow.deployments.mlflow import MlflowDeploymentClient

CHAT = {"messages": [{"role": "user", "content": HELLO}]}


def client(target: Target) -> MlflowDeploymentClient:
    os.environ |= {"MLFLOW_TRACKING_USERNAME": "app", "MLFLOW_TRACKING_PASSWORD": target.key}
    return get_deploy_client(target.url)


def models(target: Target) -> list[str]:
    return [endpoint.name for endpoint in client(target).list_endpoints()]


def retrieve(target: Target) -> str:
    return client(target).get_endpoint(target.model).name


def chat(target: Target) -> str:
    response = client(target).predict(endpoint=target.model, inputs=CHAT)
    return response["choices"][0]["message"]["content"]


def embeddings(target: Target) -> list[float]:
    response = client(target).predict(endpoint=target.model, inputs={"input": HELLO})
    return response["data"][0]["embedding"]


main(globals())
