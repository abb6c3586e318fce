"""This server's own identity goes to the services of its cloud, whoever declares the scheme."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from apikeys.catalogue.clouds import AWS, AZURE, CLOUDS, GOOGLE, Cloud
from apikeys.catalogue.loading import load_catalogue
from apikeys.models import ApiKey, AuthScheme, CredentialVersion, KeyDraft, Provider
from endpoints.gateway.signing import CannotSign
from gatewayproject.demo.provider import Provider as FakeProvider
from tests import fakes
from tests.conftest import DraftKey, MakeEndpoint
from tests.endpoints.gateway import clouds
from tests.endpoints.gateway.client import ask
from tests.endpoints.gateway.clouds import Sender

OWN = ["google_default", "azure_imds", "aws_sigv4"]
AMBIENT = [kind for kind, scheme in clouds.schemes() if scheme.ambient]

# Names under a cloud's domains behind which anybody can put a server, and what only looks alike.
SOMEBODYS = {
    AWS: [
        "bucket.s3.amazonaws.com",
        "s3.us-east-1.amazonaws.com",
        "s3.amazonaws.com",
        "abc123.execute-api.us-east-1.amazonaws.com",
        "abc123.lambda-url.us-east-1.on.aws",
        "lb-1.us-east-1.elb.amazonaws.com",
        "ec2-192-0-2-7.compute-1.amazonaws.com",
        "d111.cloudfront.net",
        "vpce-1.vpce-svc-2.us-east-1.vpce.amazonaws.com",
        "evil.bedrock-runtime.us-east-1.amazonaws.com",
        "bedrock-runtime.us-east-1.amazonaws.com.evil.example",
        "bedrock-runtime.us-east-1.amazonaws.com.",
        "bedrock-runtime.evil.amazonaws.com",
        "bedrock-runtime.us-east-1.evil-amazonaws.com",
    ],
    AZURE: [
        "acme.azurewebsites.net",
        "acme.azure-api.net",
        "acme.azure-api.us",
        "acme.blob.core.windows.net",
        "acme.azurefd.net",
        "acme.eastus.inference.ml.azure.com",
        "acme.eastus.cloudapp.azure.com",
        "evil.acme.openai.azure.com",
        ".openai.azure.com",
        "openai.azure.com",
        "acme.openai.azure.com.evil.example",
        "acme.evilopenai.azure.com",
        "169.254.169.254",
    ],
    GOOGLE: [
        "storage.googleapis.com",
        "bucket.storage.googleapis.com",
        "acme-uc.a.run.app",
        "us-central1-acme.cloudfunctions.net",
        "acme.appspot.com",
        "123.us-central1-456.prediction.vertexai.goog",
        "acme.us-central1.gateway.dev",
        "evil.aiplatform.googleapis.com",
        "us-central1-aiplatform.googleapis.com.evil.example",
        "us-central1-aiplatform.evilgoogleapis.com",
        "aiplatform.evil.example.rep.googleapis.com",
    ],
}
SERVICES = {
    AWS: [
        "bedrock-runtime.eu-central-1.amazonaws.com",
        "bedrock-runtime-fips.us-gov-west-1.amazonaws.com",
        "bedrock-runtime.us-gov-east-1.amazonaws.com",
        "bedrock.us-east-1.amazonaws.com",
        "runtime.sagemaker.cn-north-1.amazonaws.com.cn",
        "runtime-fips.sagemaker.us-east-1.amazonaws.com",
        "bedrock-mantle.us-east-1.api.aws",
    ],
    AZURE: [
        "acme.openai.azure.com",
        "acme.cognitiveservices.azure.com",
        "acme.services.ai.azure.com",
        "acme.openai.azure.us",
        "acme.cognitiveservices.azure.cn",
        "eastus2.api.cognitive.microsoft.com",
        "usgovvirginia.api.cognitive.microsoft.us",
    ],
    GOOGLE: [
        "aiplatform.googleapis.com",
        "us-central1-aiplatform.googleapis.com",
        "northamerica-northeast1-aiplatform.googleapis.com",
        "aiplatform.us-central1.rep.googleapis.com",
        "generativelanguage.googleapis.com",
    ],
}


@pytest.mark.parametrize(
    ("cloud", "host"), [(c, h) for c, hosts in SERVICES.items() for h in hosts]
)
def test_a_service_of_a_cloud_is_its_own(cloud: Cloud, host: str) -> None:
    assert cloud.owns(f"https://{host}/v1?x=y")
    assert cloud.owns(f"https://{host}:443/")
    assert not any(other.owns(f"https://{host}/") for other in SERVICES if other is not cloud)


@pytest.mark.parametrize(
    ("cloud", "host"), [(c, h) for c, hosts in SOMEBODYS.items() for h in hosts]
)
def test_what_anybody_can_run_is_no_service_of_a_cloud(cloud: Cloud, host: str) -> None:
    assert not cloud.owns(f"https://{host}/")


STS = ["sts.amazonaws.com", "sts.us-east-1.amazonaws.com", "sts-fips.us-east-1.amazonaws.com"]


@pytest.mark.parametrize("host", STS)
def test_only_a_test_takes_the_identity_to_the_service_that_issues_credentials(host: str) -> None:
    """Its response would give an application temporary credentials of this server."""
    assert AWS.owns(f"https://{host}/?Action=GetCallerIdentity", for_test=True)
    assert not AWS.owns(f"https://{host}/?Action=GetCallerIdentity")


@pytest.mark.django_db
@pytest.mark.parametrize("host", STS)
def test_a_scheme_whose_api_issues_credentials_is_refused(host: str) -> None:
    url = f"https://{host}"
    declared("aws_sigv4", f"https://{SERVICES[AWS][0]}", verify={"url": url}).full_clean()

    with pytest.raises(ValidationError) as refusal:
        declared("aws_sigv4", url).full_clean()

    assert set(refusal.value.message_dict) == {"transport"}


@pytest.mark.parametrize("host", STS)
def test_the_gateway_asks_for_no_credentials_of_this_server(
    sender: Sender, cloud: FakeProvider, identity: None, host: str
) -> None:
    key = clouds.credentials_of(dict(clouds.schemes())["bedrock/default_chain"])

    (outcome,) = sender.sign(clouds.moved(key, api=f"https://{host}", tokens=cloud.url))

    assert isinstance(outcome, CannotSign)
    assert "is not a service of AWS" in str(outcome)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "{api_base}",
        "http://aiplatform.googleapis.com/",
        "https://aiplatform.googleapis.com:8443/",
        "https://evil.example@aiplatform.googleapis.com/",
        "https://aiplatform.googleapis.com@evil.example/",
        "https://evil.example/aiplatform.googleapis.com",
        "https://evil.example\\.aiplatform.googleapis.com/",
        "https://aiplatform.googleapis.com\u3002evil.example/",
        "https://[",
    ],
)
def test_an_address_that_only_mentions_a_service_is_none(url: str) -> None:
    assert not GOOGLE.owns(url)


def declared(signer: str, base_url: str = "https://evil.example/v1", **more: Any) -> AuthScheme:
    return AuthScheme(
        provider=Provider.objects.get(slug="openai"),
        slug="own",
        name="Own",
        ambient=True,
        fields=more.pop("fields", [{"name": "note", "label": "Note"}]),
        transport={
            "base_url": base_url,
            "signer": signer,
            "headers": {"Authorization": "Bearer {access_token}"},
        },
        **more,
    )


API_BASE = {"name": "api_base", "label": "URL", "kind": "url", "format": "https_url"}


@pytest.mark.django_db
@pytest.mark.parametrize("signer", OWN)
def test_a_scheme_that_leads_an_identity_elsewhere_is_refused(signer: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        declared(signer).full_clean()

    assert set(refusal.value.message_dict) == {"transport"}
    assert "evil.example is not a service of" in str(refusal.value)


@pytest.mark.django_db
@pytest.mark.parametrize("signer", OWN)
def test_a_test_that_leads_an_identity_elsewhere_is_refused(signer: str) -> None:
    url = f"https://{SERVICES[CLOUDS[signer]][0]}"
    declared(signer, url).full_clean()

    with pytest.raises(ValidationError) as refusal:
        declared(signer, url, verify={"url": "https://evil.example/me"}).full_clean()

    assert set(refusal.value.message_dict) == {"verify"}


@pytest.mark.django_db
@pytest.mark.parametrize("signer", OWN)
def test_a_key_whose_url_leads_an_identity_elsewhere_is_refused(signer: str) -> None:
    scheme = declared(signer, "{api_base}", fields=[API_BASE])
    scheme.full_clean()
    scheme.save()

    draft = KeyDraft(scheme, {"name": "k"}, {"api_base": "https://evil.example/v1"}).check()

    assert "evil.example is not a service of" in str(draft.errors["api_base"])


@pytest.mark.django_db
def test_azures_identity_is_not_taken_to_api_management(draft_key: DraftKey) -> None:
    draft = draft_key("k", "azure", "managed_identity", api_base="https://acme.azure-api.net")

    assert set(draft.errors) == {"api_base"}


@pytest.mark.parametrize("kind", AMBIENT)
def test_every_built_in_scheme_leads_to_its_cloud(kind: str) -> None:
    scheme = dict(clouds.schemes())[kind]

    scheme.check_urls(fakes.config_for(scheme))


@pytest.mark.parametrize("kind", AMBIENT)
def test_an_identity_is_sent_nowhere_else_whatever_the_database_says(
    kind: str, sender: Sender, provider: FakeProvider, cloud: FakeProvider, identity: None
) -> None:
    key = clouds.moved(
        clouds.credentials_of(dict(clouds.schemes())[kind]), api=provider.url, tokens=cloud.url
    )

    (outcome,) = sender.sign(key)

    assert isinstance(outcome, CannotSign)
    assert "127.0.0.1 is not a service of" in str(outcome)
    assert not provider.requests
    assert not cloud.requests  # nothing was even obtained


def test_every_signer_that_needs_no_secret_is_known() -> None:
    """A new ambient scheme with a new signer has to say which hosts its identity may go to."""
    for entry in load_catalogue():
        for item in entry["scheme"]:
            if item["ambient"]:
                assert item["transport"]["signer"] in CLOUDS


def test_stored_access_keys_are_no_identity_of_this_server(
    sender: Sender, provider: FakeProvider, cloud: FakeProvider
) -> None:
    key = clouds.credentials_of(dict(clouds.schemes())["bedrock/access_keys"])

    sender.send(clouds.moved(key, api=provider.url, tokens=cloud.url))

    assert len(provider.requests) == 1


def test_staff_cannot_take_the_identity_through_the_gateway(
    gateway: str,
    provider: FakeProvider,
    cloud: FakeProvider,
    identity: None,
    token: str,
    make_endpoint: MakeEndpoint,
) -> None:
    """Written by SQL or loaddata: nothing has checked the scheme, nor the key."""
    scheme = declared("google_default", provider.url)
    scheme.save()
    key = ApiKey(name="k", scheme=scheme)
    key.save()
    version = CredentialVersion.seal(key, {}, origins=key.origins(), by="eve")
    version.save()
    ApiKey.objects.update(current=version)
    make_endpoint("search", key)

    answer = ask(gateway, "/search/v1/models", token=token, method="GET")

    assert (answer.status, answer.code) == (424, "cannot_sign")
    assert "is not a service of Google" in answer.json()["error"]["message"]
    assert not provider.requests
