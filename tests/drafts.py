"""Save API keys as forms do: from what a row has in memory, and the secrets that were typed."""

from collections.abc import Mapping
from typing import Any

from apikeys.models import ApiKey, CheckedDraft, KeyDraft
from apikeys.models.details import DETAILS
from apikeys.sealing import Secrets
from apikeys.services import stage_credentials, update_api_key
from apikeys.services.api_keys import Saved
from apikeys.services.rotation import Staged
from gatewayproject.accounts.actors import Actor


def draft_of(key: ApiKey, secrets: Mapping[str, str] | None = None) -> CheckedDraft:
    stored = ApiKey.objects.with_versions().filter(pk=key.pk).first()
    details = {name: getattr(key, name) for name in DETAILS}
    scheme = key.scheme if key.scheme_id else None
    return KeyDraft(scheme, details, key.config, Secrets(secrets or {}), stored=stored).check()


def save(
    key: ApiKey,
    secrets: Mapping[str, str] | None = None,
    *,
    by: Actor,
    rev: int | None = None,
    **options: Any,
) -> Saved:
    """Save what was changed of ``key``, which has the stored values afterwards."""
    draft = draft_of(key, secrets)
    saved = update_api_key(draft, by=by, rev=key.rev if rev is None else rev, **options)
    key.refresh_from_db()
    return saved


def stage(
    key: ApiKey,
    secrets: Mapping[str, str] | None = None,
    *,
    by: Actor,
    rev: int | None = None,
    **options: Any,
) -> Staged:
    draft = draft_of(key, secrets)
    return stage_credentials(draft, by=by, rev=key.rev if rev is None else rev, **options)
