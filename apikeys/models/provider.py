"""Providers: rows that come from the catalogue or from an operator."""

import re

from django.core.exceptions import ValidationError
from django.db import models

from apikeys.catalogue.formats import FORMATS
from apikeys.catalogue.origins import origin_of

from .naming import validate_one_line


class Provider(models.Model):
    """Somebody who serves models: OpenAI, Anthropic, a server of one's own."""

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
    aliases = models.JSONField(default=list, blank=True, help_text="Other names to find it by.")
    facts = models.JSONField(
        default=dict, blank=True, help_text="Key patterns and other base URLs."
    )
    built_in = models.BooleanField(default=False, editable=False)

    class Meta:
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.base_url:
            try:
                self.base_url = FORMATS["https_url"](self.base_url.strip(), [])
            except ValidationError as error:
                raise ValidationError({"base_url": error.messages}) from None
        if not (
            isinstance(self.aliases, list) and all(isinstance(name, str) for name in self.aliases)
        ):
            raise ValidationError({"aliases": 'Enter a list of texts, such as ["acme-ai"].'})
        if not _are_facts(self.facts):
            raise ValidationError(
                {
                    "facts": 'Enter an object with "key_patterns" and "other_base_urls": '
                    "lists of objects of texts."
                }
            )

    @property
    def monogram(self) -> str:
        return "".join(word[0] for word in re.findall(r"[A-Za-z0-9]+", self.name)[:2]).upper()

    @property
    def hue(self) -> int:
        """One of eight colours, always the same for this provider."""
        return sum(map(ord, self.slug)) % 8

    def other_hosts(self) -> list[dict[str, str]]:
        """Return the other base URLs that lie on hosts of their own, such as those of a region."""
        return [
            other
            for other in self.facts.get("other_base_urls", [])
            if self.base_url
            and "{" not in other["url"]
            and origin_of(other["url"]) != origin_of(self.base_url)
        ]

    def warnings_about(self, secret: str) -> list[str]:
        """Return what the longest known prefix of ``secret`` warns of."""
        patterns = [item for item in self.facts.get("key_patterns", []) if "prefix" in item]
        patterns.sort(key=lambda item: len(item["prefix"]), reverse=True)
        for item in patterns:
            if secret.startswith(item["prefix"]):
                return [item["warning"]] if "warning" in item else []
        return []


def _are_facts(facts: object) -> bool:
    if not isinstance(facts, dict):
        return False
    lists = [facts.get(name, []) for name in ("key_patterns", "other_base_urls")]
    return all(
        isinstance(items, list)
        and all(
            isinstance(item, dict) and all(isinstance(v, str) for v in item.values())
            for item in items
        )
        for items in lists
    ) and all("url" in item for item in lists[1])
