"""Search, filters and sorting of the list. Every query has a page."""

from collections import Counter
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django import forms
from django.db.models import Count
from django.utils.functional import cached_property

from apikeys.models import ApiKey, AuthScheme, Environment
from apikeys.models.api_key_queries import ApiKeyQuerySet
from apikeys.models.deadlines import Status
from gatewayproject.console.filters import SearchField

MAX_TEAMS = 200  # in the choice; a search finds the rest
EXPIRES = [("", "Any expiry")] + [(str(days), f"Expires in {days} days") for days in (7, 30, 90)]
UNUSED = [("", "Any use")] + [(str(days), f"Unused for {days} days") for days in (30, 90, 365)]


def _provider_name(scheme: AuthScheme) -> str:
    return scheme.provider.name.casefold()


class Choices(NamedTuple):
    """Value, label and number of keys of each provider and team in use."""

    providers: list[tuple[str, str, int]]
    teams: list[tuple[str, str, int]]


class ApiKeyListForm(forms.Form):
    q = SearchField("Search name, hint, team, description or provider")
    provider = forms.CharField(required=False, max_length=80)
    environment = forms.ChoiceField(
        required=False, choices=[("", "All environments"), *Environment.choices]
    )
    team = forms.CharField(required=False, max_length=80)
    status = forms.ChoiceField(required=False, choices=[("", "Any status"), *Status.choices])
    expires = forms.ChoiceField(required=False, choices=EXPIRES)
    unused = forms.ChoiceField(required=False, choices=UNUSED)
    sort = forms.CharField(required=False, widget=forms.HiddenInput, max_length=20)

    def __init__(self, data: Any) -> None:
        super().__init__(data, auto_id="filter_%s")
        self.is_valid()

    @cached_property
    def schemes(self) -> dict[int, AuthScheme]:
        """What the list shows of all schemes, by primary key."""
        return (
            AuthScheme.objects.select_related("provider")
            .only("ambient", "transport", "provider__slug", "provider__name")
            .in_bulk()
        )

    def choices(self) -> Choices:
        """Count the keys of each provider and team, in one pass over one index."""
        providers: Counter[tuple[str, str]] = Counter()
        teams: Counter[str] = Counter()
        schemes = sorted(self.schemes.values(), key=_provider_name)
        names = {scheme.pk: (scheme.provider.slug, scheme.provider.name) for scheme in schemes}
        counted = ApiKey.objects.order_by().values_list("team", "scheme").annotate(count=Count("*"))
        for team, scheme, count in counted:
            providers[names[scheme]] += count
            teams[team] += count
        in_use = [name for name in dict.fromkeys(names.values()) if providers[name]]
        by_name = sorted((team for team in teams if team), key=str.casefold)[:MAX_TEAMS]
        return Choices(
            self._with_chosen(
                "provider", [(slug, name, providers[slug, name]) for slug, name in in_use]
            ),
            self._with_chosen("team", [(team, team, teams[team]) for team in by_name]),
        )

    def _with_chosen(
        self, field: str, choices: list[tuple[str, str, int]]
    ) -> list[tuple[str, str, int]]:
        """Add what the URL asks for, if no key has it: a filter that applies is to be seen."""
        chosen = self.cleaned_data.get(field)
        if not chosen or any(value == chosen for value, _, _ in choices):
            return choices
        return [(chosen, chosen, 0), *choices]

    @property
    def is_filtered(self) -> bool:
        return any(value for name, value in self.cleaned_data.items() if name != "sort")

    @property
    def sort_key(self) -> str:
        return self.cleaned_data.get("sort") or "name"

    @property
    def query(self) -> str:
        """Return what the URL of this list has behind its question mark."""
        return urlencode({name: value for name, value in self.cleaned_data.items() if value})

    def keys(self) -> ApiKeyQuerySet:
        """Return the keys that the URL asks for. An invalid filter finds nothing."""
        if self.errors:
            return ApiKey.objects.none()
        chosen = self.cleaned_data
        keys = ApiKey.objects.in_status(chosen["status"])
        if chosen["provider"]:
            schemes = AuthScheme.objects.filter(provider__slug=chosen["provider"])
            keys = keys.filter(scheme__in=list(schemes.values_list("pk", flat=True)))
        if chosen["environment"]:
            keys = keys.in_environment(chosen["environment"])
        if chosen["team"]:
            keys = keys.filter(team=chosen["team"])
        if chosen["expires"]:
            keys = keys.expiring_within(int(chosen["expires"]))
        if chosen["unused"]:
            keys = keys.unused_for(int(chosen["unused"]))
        return keys.search(chosen["q"])  # last: SQLite compares in this order, and text is slow

    def sorted_keys(self) -> ApiKeyQuerySet:
        return self.keys().sorted_by(self.sort_key)
