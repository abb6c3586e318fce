"""A small page that loads one JavaScript module, to test it without Gatehouse's pages."""

from playwright.sync_api import Page, Route

from .serving import Server

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Module</title>
<link rel="stylesheet" href="/static/css/tokens.css">
<link rel="stylesheet" href="/static/css/base.css">
<link rel="stylesheet" href="/static/css/combobox.css">
<link rel="stylesheet" href="/static/css/dialogs.css"></head>
<body>{body}<script type="module">{script}</script></body></html>"""


def open_module(page: Page, server: Server, *, body: str, script: str) -> None:
    """Open a page with ``body`` that runs ``script``, which imports from ``/static/js/``."""
    url = f"{server.url}/module/"

    def fulfill(route: Route) -> None:
        route.fulfill(
            body=PAGE.format(body=body, script=script), content_type="text/html; charset=utf-8"
        )

    page.route(url, fulfill)
    page.goto(url)
    page.wait_for_function("window.isReady")
