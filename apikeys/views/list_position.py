"""The list that a page of a key was opened from, and the place of the key in it."""

from typing import NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, QueryDict
from django.urls import reverse

from apikeys.forms import ApiKeyListForm
from apikeys.models import ApiKey

MAX_QUERY = 2500  # characters
MAX_FIELDS = 20
MAX_ROWS = 1000  # searched for the place of a key


class Place(NamedTuple):
    """Where a key is in the list, and which key comes next."""

    number: int
    total: str
    next: UUID | None


class ListPosition:
    """A list of keys, known by its query: ``?list=…`` in the URLs of the pages it leads to.

    Only the query is passed, and it is rebuilt from what the list's form accepts. So a URL can lead
    only to the list.
    """

    def __init__(self, query: str | None) -> None:
        self.is_known = query is not None
        query = (query or "")[:MAX_QUERY]
        data = QueryDict(query if query.count("&") < MAX_FIELDS else "")
        self.form = ApiKeyListForm(data)
        page = data.get("page", "")
        parts = [self.form.query, f"page={page}" if page.isascii() and page.isdecimal() else ""]
        self.query = "&".join(part for part in parts if part)

    @classmethod
    def of(cls, request: HttpRequest) -> "ListPosition":
        """Return the list that the page which ``request`` asks for was opened from."""
        return cls(request.GET.get("list"))

    @property
    def url(self) -> str:
        return reverse("apikeys:list") + (f"?{self.query}" if self.query else "")

    @property
    def parameter(self) -> str:
        """Return the query that passes the list on to another page."""
        return f"?{urlencode({'list': self.query})}" if self.is_known else ""

    def place_of(self, api_key: ApiKey) -> Place | None:
        """Return the key's place in a filtered list, if it is among the first rows."""
        if not self.form.is_filtered:
            return None
        keys = self.form.sorted_keys().values_list("pk", flat=True)
        rows = list(keys[: MAX_ROWS + 1])
        if api_key.pk not in rows[:MAX_ROWS]:
            return None
        number = rows.index(api_key.pk) + 1
        total = f"{MAX_ROWS:,}+" if len(rows) > MAX_ROWS else str(len(rows))
        return Place(number, total, rows[number] if number < len(rows) else None)
