"""The documentation of settings is complete, and names none that do nothing."""

import re
from itertools import pairwise

from tests.installation import ROOT

READ_BY_OTHERS = {  # the Makefile, and `manage.py prepare`
    "PORT",
    "DJANGO_SUPERUSER_USERNAME",
    "DJANGO_SUPERUSER_PASSWORD",
    "DJANGO_SUPERUSER_EMAIL",
}
SETTING = re.compile(r"#([A-Z][A-Z0-9_]*)=")


def test_env_example_documents_exactly_the_settings_that_there_are() -> None:
    source = (ROOT / "gatewayproject/settings.py").read_text()
    read = set(re.findall(r'\benv\.\w+\(\s*"([A-Z0-9_]+)"', source))

    lines = (ROOT / ".env.example").read_text().splitlines()
    documented = [match[1] for line in lines if (match := SETTING.match(line))]

    assert len(documented) == len(set(documented))
    assert set(documented) == read | READ_BY_OTHERS


def test_every_value_in_env_example_is_commented_out_and_explained() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()

    assert all(line.startswith("#") for line in lines if line)
    for before, line in pairwise(lines):
        if SETTING.match(line):
            assert before.startswith("# ") or SETTING.match(before), f"{line} is not explained"
