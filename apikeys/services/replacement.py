"""Move endpoints from one API key to another, which takes its place."""

from collections.abc import Collection

from django.core.exceptions import ValidationError
from django.db import transaction

from apikeys import blast_radius
from apikeys.blast_radius import blast_radius_of
from apikeys.models import ApiKey
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.console.conflict import Conflict
from gatewayproject.console.wording import counted

from .deletion import check_replacement


def move_endpoints(
    api_key: ApiKey, target: ApiKey, *, names: Collection[str], by: Actor, seen: str
) -> int:
    """Point the endpoints of these names, which use ``api_key``, at ``target``. Return how many.

    Nothing else about the two keys changes. ``seen`` is the digest of the blast radius that the
    user saw. Raises ``Conflict`` if it has changed.
    """
    with transaction.atomic():
        keys = ApiKey.objects.lock(api_key.pk, target.pk)
        if not {api_key.pk, target.pk} <= keys.keys():
            raise Conflict
        source, target = keys[api_key.pk], keys[target.pk]
        try:
            check_replacement(source, target)
        except ValidationError as error:
            raise ValidationError({"target": error.messages}) from None
        radius = blast_radius_of(source)
        if radius.digest() != seen:
            raise Conflict
        moved = {dependent.name for dependent in radius.dependents}.intersection(names)
        if not moved:
            raise ValidationError({"names": "Choose at least one endpoint."})
        blast_radius.registry().move(source, target, names=moved, by=by)
        count = counted(len(moved), "endpoint")
        AuditEvent.record(by, "moved endpoints from", source, note=f"{count} to {target.name}")
        AuditEvent.record(by, "moved endpoints to", target, note=f"{count} from {source.name}")
    return len(moved)
