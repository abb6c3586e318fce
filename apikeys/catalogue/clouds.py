"""The clouds that know this server by an identity of its own, and the hosts it may be shown to.

Whoever receives a request with such an identity can use it. So it goes to services of that cloud
alone, and only to names that no customer of the cloud chooses the server behind: a bucket, a
function, a load balancer, an API gateway or a container has a name under the cloud's domains too.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

_AWS_REGION = r"[a-z]{2}(-[a-z]+)+-\d"
_AWS_SERVICES = (
    r"((bedrock|bedrock-runtime|bedrock-agent-runtime)(-fips)?|runtime(-fips)?\.sagemaker)"
)
_LOCATION = r"[a-z]+(-[a-z]+)*\d*"
_NAME = (
    r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"  # of a resource; the servers are Microsoft's, whoever owns it
)


class Cloud(NamedTuple):
    name: str
    region: str  # one of its regions, as an example
    hosts: tuple[str, ...]  # regular expressions
    test_hosts: tuple[str, ...] = ()  # those of tests alone

    def owns(self, url: str, *, for_test: bool = False) -> bool:
        """Whether ``url`` leads to a service of this cloud, by https and on its own port.

        Applications see no response to a test. So that may go to the service that says whose an
        identity is, though the same service also issues credentials of that identity.
        """
        try:
            parts = urlsplit(url)
            if parts.scheme != "https" or parts.port not in (None, 443) or "@" in parts.netloc:
                return False
        except ValueError:
            return False
        host = parts.hostname or ""
        hosts = (*self.hosts, *self.test_hosts) if for_test else self.hosts
        return any(re.fullmatch(pattern, host, re.ASCII) for pattern in hosts)

    def refusal(self, url: str) -> str:
        """Return why the identity is not sent to ``url``."""
        host = urlsplit(url).hostname or "this address"
        return (
            f"{host} is not a service of {self.name}: "
            f"this server's own {self.name} identity is sent only there."
        )


AWS = Cloud(
    "AWS",
    "us-east-1",
    # Sources: AWS General Reference, "Amazon Bedrock endpoints and quotas", "Amazon SageMaker AI
    # endpoints", "AWS STS endpoints", "AWS service endpoints" (FIPS, dual-stack), also of AWS
    # GovCloud (US), whose names are the same; Amazon Web Services in China, "Endpoints and ARNs".
    (
        rf"{_AWS_SERVICES}\.{_AWS_REGION}\.amazonaws\.com(\.cn)?",
        rf"(bedrock|bedrock-runtime|bedrock-mantle)\.{_AWS_REGION}\.api\.aws",
    ),
    (rf"sts(-fips)?\.{_AWS_REGION}\.amazonaws\.com(\.cn)?", r"sts\.amazonaws\.com"),
)
AZURE = Cloud(
    "Azure",
    "eastus",
    # Sources: Microsoft Learn, "Custom subdomain names for Azure AI services"; "Azure OpenAI REST
    # API reference"; "Compare Azure Government and global Azure"; "Check endpoints in Azure" of
    # Azure China (21Vianet). API Management (azure-api.net) is not among them: its owner's policies
    # see each request, header and all.
    (
        rf"{_NAME}\.(openai|cognitiveservices|services\.ai)\.azure\.(com|us|cn)",
        rf"{_LOCATION}\.api\.cognitive\.(microsoft\.com|microsoft\.us|azure\.cn)",
    ),
)
GOOGLE = Cloud(
    "Google",
    "us-east1",
    # Sources: Google Cloud, "Vertex AI locations", "Regional service endpoints" (rep); Google AI,
    # "Gemini API reference". Dedicated endpoints (prediction.vertexai.goog) run their owner's code.
    (
        rf"({_LOCATION}-)?aiplatform\.googleapis\.com",
        rf"aiplatform\.{_LOCATION}\.rep\.googleapis\.com",
        r"generativelanguage\.googleapis\.com",
    ),
)
# Signers that use an identity of this server; AWS's does where a key stores no keys of its own.
CLOUDS = {"google_default": GOOGLE, "azure_imds": AZURE, "aws_sigv4": AWS}


def cloud_of(signer: str, secrets: Iterable[str]) -> Cloud | None:
    """Return the cloud whose identity ``signer`` uses with ``secrets`` of these names."""
    if signer == "aws_sigv4" and any(name.startswith("aws_") for name in secrets):
        return None
    return CLOUDS.get(signer)
