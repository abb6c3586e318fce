"""The browser that is installed, and how it is started."""

import shutil

BROWSERS = (
    "chromium-headless-shell",  # starts a page in a fifth of the time: it has no window around it
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
QUIET = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]


def installed_browser() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)
