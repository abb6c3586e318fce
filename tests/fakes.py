"""Credentials and settings that look real and are not: one of whatever a scheme may ask for."""

import json
from typing import Any
from urllib.parse import urlsplit

from apikeys.catalogue.fields import FieldSpec
from apikeys.catalogue.origins import is_private_host
from apikeys.models import AuthScheme

OPENAI_KEY = "sk-MadeUpForTests000000000000000000000000000000wXyZ"
PEM = "-----BEGIN PRIVATE KEY-----\nbWFkZSB1cCBmb3IgdGVzdHM=\n-----END PRIVATE KEY-----"

_SECRETS = {
    "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "oci_key": PEM,
}
_CONFIG = {
    "account": "ACME-SEARCH",
    "account_id": "0123456789abcdef" * 2,
    "aws_role_name": "arn:aws:iam::123456789012:role/gatehouse",
    "client_id": "11111111-2222-3333-4444-555555555555",
    "oci_compartment_id": "ocid1.compartment.oc1..acme",
    "oci_fingerprint": ":".join(["0f"] * 16),
    "oci_region": "us-chicago-1",
    "oci_tenancy": "ocid1.tenancy.oc1..acme",
    "oci_user": "ocid1.user.oc1..kim",
    "tenant_id": "acme.onmicrosoft.com",
    "vertex_project": "acme-search",
}


def service_account(**changes: Any) -> str:
    """Return the JSON file of a Google service account key, without the members that are None."""
    members = {
        "type": "service_account",
        "project_id": "acme-search",
        "private_key_id": "0123456789abcdef0123456789abcdef0123beef",
        "private_key": PEM,
        "client_email": "gatehouse@acme-search.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
        **changes,
    }
    return json.dumps(
        {name: value for name, value in members.items() if value is not None}, indent=2
    )


def credentials_for(scheme: AuthScheme) -> dict[str, str]:
    """Return what the scheme requires to be kept secret."""
    return {spec.name: _secret(spec) for spec in scheme.secret_specs if spec.required}


def _secret(spec: FieldSpec) -> str:
    if spec.format == "service_account_json":
        return service_account()
    return _SECRETS.get(spec.name, OPENAI_KEY)


def config_for(scheme: AuthScheme) -> dict[str, str]:
    """Return what the scheme requires beside its secrets."""
    return {spec.name: value for spec in scheme.config_specs if (value := _setting(spec))}


def _setting(spec: FieldSpec) -> str:
    if spec.format == "azure_endpoint":
        return "https://acme.openai.azure.com"
    if spec.format == "https_url":
        public = spec.default and not is_private_host(urlsplit(spec.default).hostname or "")
        return spec.default if public else "https://ai.example.com/v1"
    return spec.default or (_CONFIG[spec.name] if spec.required else "")
