"""What a person sees on a page, and what their browser sends."""

import re
from html import unescape
from typing import Any

from django.http import HttpResponse
from django.test import Client

from apikeys.models import ApiKey, AuthScheme

from . import fakes

_CELL = re.compile(r'<td data-label="([^"]+)"[^>]*>(.*?)</td>', re.DOTALL)
_ERRORS = re.compile(
    r'<ul class="errorlist(?P<top> nonfield)?"[^>]*?(?: id="id_(?P<field>[\w-]+)_error")?[^>]*>'
    r"(?P<list>.*?)</ul>",
    re.DOTALL,
)
_INPUT = re.compile(r"<(?:input|select|textarea)\b[^>]*>")


def html_of(response: HttpResponse) -> str:
    return response.content.decode()


def text_of(html: str | HttpResponse) -> str:
    """Return what is to be read, without tags and in single spaces."""
    html = html if isinstance(html, str) else html_of(html)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def rows_of(response: HttpResponse) -> list[dict[str, str]]:
    """Return the rows of the table: heading → text."""
    rows = re.findall(r"<tr>(.*?)</tr>", html_of(response), re.DOTALL)
    cells = ({label: text_of(cell) for label, cell in _CELL.findall(row)} for row in rows)
    return [row for row in cells if row]


def names_in(response: HttpResponse) -> list[str]:
    return [row["Name"] for row in rows_of(response)]


def errors_in(response: HttpResponse) -> dict[str, str]:
    """Return the errors that are shown, by input; those on top of the form under ``""``."""
    found: dict[str, str] = {}
    for match in _ERRORS.finditer(html_of(response)):
        name = "" if match["top"] else match["field"]
        found[name] = text_of(match["list"])
    return found


def inputs_of(response: HttpResponse) -> dict[str, str]:
    """Return the inputs of the form and the values that they are filled with."""
    html = html_of(response)
    panel = html[html.index('id="panel"') : html.index("<dialog")]
    found: dict[str, str] = {}
    for tag in _INPUT.findall(panel):
        name = re.search(r'\bname="([^"]+)"', tag)
        value = re.search(r'\bvalue="([^"]*)"', tag)
        if name and name[1] != "csrfmiddlewaretoken":
            found[name[1]] = unescape(value[1]) if value else ""
    return found


def messages_after(client: Client, response: HttpResponse) -> list[str]:
    """Go where ``response`` leads and return the messages that the page there shows."""
    page = html_of(client.get(response.headers["Location"]))
    shown = page[page.index('id="messages"') : page.index("</main>")]
    return [text_of(message) for message in re.findall(r"<bdi>(.*?)</bdi>", shown, re.DOTALL)][
        : shown.count('<p class="alert ')
    ]


def new_key(scheme: AuthScheme, name: str = "my-openai-key", /, **changes: Any) -> dict[str, Any]:
    """Return what the form for a new key of ``scheme`` posts."""
    return {
        "name": name,
        "provider": scheme.provider.name,
        "scheme": scheme.slug,
        "environment": "production",
        "team": "",
        "description": "",
        "next": "",
        **fakes.credentials_for(scheme),
        **fakes.config_for(scheme),
        **changes,
    }


def edited(key: ApiKey, /, **changes: Any) -> dict[str, Any]:
    """Return what the edit form of ``key`` posts: its details, and no credentials."""
    details = {name: getattr(key, name) for name in ("name", "environment", "team", "description")}
    return {**details, **key.config, "rev": key.rev, **changes}


def opened(key: ApiKey) -> dict[str, str]:
    """Return what is stored for ``key``, opened as the gateway would."""
    stored = ApiKey.objects.with_details().get(pk=key.pk)
    return dict(stored.current.open_for(stored, towards=stored.origins()))
