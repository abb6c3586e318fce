"""Providers: rows from the catalog or from an operator."""

import re

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import models

from apikeys.catalogue.formats import FORMATS
from apikeys.catalogue.origins import origin_or_empty
from gatewayproject.console.naming import strings_in, validate_one_line

from .shallow_json import ShallowDecoder

HTTPS = URLValidator(schemes=["https"], message="Enter a full URL that begins with https://.")
MIN_KEY = 8  # characters: no provider whose keys have a prefix has shorter ones


class ProviderQuerySet(models.QuerySet["Provider"]):
    def recognize(self, secret: str) -> "Provider | None":
        """Return whose key ``secret`` is, if only one provider's keys look like it.

        A prefix that others share or extend, such as ``sk-``, proves nothing, and neither do three
        characters without the rest of the pattern.
        """
        owners = [
            (item, provider)
            for provider in self.only("name", "slug", "group", "facts")
            for item in provider.key_patterns()
        ]
        fitting = [pair for pair in owners if secret.startswith(pair[0]["prefix"])]
        for item, provider in fitting:
            if item.get("contains", "\0") in secret:
                return provider
        if not fitting:
            return None
        item, owner = max(fitting, key=lambda pair: len(pair[0]["prefix"]))
        prefix = item["prefix"]
        if any(o["prefix"].startswith(prefix) and provider != owner for o, provider in owners):
            return None
        whole = "pattern" in item and re.fullmatch(item["pattern"], secret)
        return owner if whole or len(prefix) > 3 else None


class Provider(models.Model):
    """A service or server that offers models, such as OpenAI."""

    class Group(models.TextChoices):
        COMMON = "common", "Common"
        MORE = "more", "More providers"
        SELF_HOSTED = "self_hosted", "Self-hosted"
        GATEWAY = "gateway", "Other gateways"

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80, unique=True, validators=[validate_one_line])
    group = models.CharField(max_length=20, choices=Group, default=Group.SELF_HOSTED)
    position = models.PositiveIntegerField(
        default=1000, help_text="Lower comes first in its group."
    )
    base_url = models.CharField("default base URL", max_length=200, blank=True)
    keys_url = models.CharField(
        "page for creating keys", max_length=200, blank=True, validators=[HTTPS]
    )
    revoke_url = models.CharField(
        "page for revoking keys",
        max_length=200,
        blank=True,
        validators=[HTTPS],
        help_text="Only if different.",
    )
    aliases = models.JSONField(
        decoder=ShallowDecoder, default=list, blank=True, help_text="Other names to find it by."
    )
    facts = models.JSONField(
        decoder=ShallowDecoder,
        default=dict,
        blank=True,
        help_text="Key patterns and other base URLs.",
    )
    built_in = models.BooleanField(default=False, editable=False)

    objects = ProviderQuerySet.as_manager()

    class Meta:
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.base_url:
            try:
                self.base_url = FORMATS["https_url"](self.base_url.strip()).value
            except ValidationError as error:
                raise ValidationError({"base_url": error.messages}) from None
        if not (
            isinstance(self.aliases, list) and all(isinstance(name, str) for name in self.aliases)
        ):
            raise ValidationError({"aliases": 'Enter a list of strings, such as ["acme-ai"].'})
        if not self.has_facts():
            raise ValidationError(
                {
                    "facts": 'Enter an object with "key_patterns" and "other_base_urls": '
                    "lists of objects of strings."
                }
            )

    def has_facts(self) -> bool:
        """Whether the facts are well-formed."""
        if not isinstance(self.facts, dict):
            return False
        lists = [self.facts.get(name, []) for name in ("key_patterns", "other_base_urls")]
        return all(
            isinstance(items, list)
            and all(
                isinstance(item, dict) and all(isinstance(v, str) for v in item.values())
                for item in items
            )
            for items in lists
        ) and all("url" in item for item in lists[1])

    @property
    def monogram(self) -> str:
        return "".join(word[0] for word in re.findall(r"[A-Za-z0-9]+", self.name)[:2]).upper()

    @property
    def hue(self) -> int:
        """One of eight colors, always the same for this provider."""
        return sum(map(ord, self.slug)) % 8

    def names(self) -> list[str]:
        """Return all its names."""
        return [self.name, self.slug, *strings_in(self.aliases)]

    def other_hosts(self) -> list[dict[str, str]]:
        """Return the other base URLs that lie on hosts of their own, such as those of a region."""
        own = origin_or_empty(self.base_url)
        return [
            other
            for other in self._facts("other_base_urls")
            if own
            and "{" not in other.get("url", "{")
            and origin_or_empty(other["url"]) not in ("", own)
        ]

    def key_patterns(self) -> list[dict[str, str]]:
        """Return what is known of its keys, where they begin with something."""
        return [item for item in self._facts("key_patterns") if item.get("prefix")]

    def has_prefix_of(self, secret: str) -> bool:
        """Whether ``secret`` begins as only this provider's keys do, as far as that is known."""
        return any(
            secret.startswith(item["prefix"]) and len(item["prefix"]) > 3
            for item in self.key_patterns()
        )

    def shortest_key(self) -> int:
        return MIN_KEY if self.key_patterns() and self.has_keys_of_its_own else 0

    @property
    def has_keys_of_its_own(self) -> bool:
        """Whether it generates keys, instead of accepting any that its operator chooses."""
        return self.group in (self.Group.COMMON, self.Group.MORE)

    def with_article(self) -> str:
        return f"{'an' if self.name[:1] in 'AEIOUaeioux' else 'a'} {self.name}"

    def warnings_about(self, secret: str) -> list[str]:
        """Return what the longest known prefix of ``secret`` warns of."""
        patterns = self.key_patterns()
        patterns.sort(key=lambda item: len(item["prefix"]), reverse=True)
        for item in patterns:
            if secret.startswith(item["prefix"]):
                return [item["warning"]] if "warning" in item else []
        return []

    def _facts(self, name: str) -> list[dict[str, str]]:
        """Return facts of one kind; none where they are malformed, as they are only hints."""
        return self.facts.get(name, []) if self.has_facts() else []
