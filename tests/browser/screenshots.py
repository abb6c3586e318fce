"""The pictures of README.md, taken from the demo: ``make screenshots``."""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from .chromium import QUIET, installed_browser

ROOT = Path(__file__).resolve().parent.parent.parent
WIDTH, HEIGHT = 1280, 920
TRAFFIC_SECONDS = 5  # until the demo's first requests are in the charts


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data_dir:
        environment = {
            **os.environ,
            "ENV_FILE": os.devnull,
            "GATEWAY_DATA_DIR": data_dir,
            "DEBUG": "true",
            "DJANGO_SUPERUSER_PASSWORD": "demo",
        }
        demo = subprocess.Popen(
            [sys.executable, "manage.py", "demo", "--port", "0"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            url = next(filter(None, (re.search(r"Open (http\S+)", line) for line in demo.stdout)))[
                1
            ]
            time.sleep(TRAFFIC_SECONDS)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=installed_browser(), args=QUIET
                )
                page = browser.new_page(
                    viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light"
                )
                take_all(page, url, folder)
                browser.close()
        finally:
            demo.terminate()
            demo.wait()


def take_all(page: Page, url: str, folder: Path) -> None:
    page.goto(f"{url}/login/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("demo")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{url}/")
    for name, path in (("overview", "/"), ("endpoint", "/endpoints/assistant/")):
        page.goto(f"{url}{path}")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=folder / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
