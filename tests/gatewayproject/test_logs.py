"""What a server writes on stderr: entries of one line each, and who tried to get in."""

import logging
import re

import pytest

from gatewayproject.logs import OneLine
from tests.installation import Installation

ENTRY = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ [\w.]+: .")


def entry(*args: object, level: int = logging.ERROR, exc_info: object = None) -> str:
    record = logging.LogRecord("name", level, "path", 1, "%s", args, exc_info)  # type: ignore[arg-type]
    return OneLine("%(levelname)s %(message)s").format(record)


def raised() -> Exception:
    try:
        raise ValueError("first\nsecond")
    except ValueError as error:
        return error


@pytest.mark.parametrize("end", ["\n", "\r\n", "\x0b", "\x85", "\u2028", "\x1b[2J", "\u202e", "\0"])
def test_a_value_cannot_start_another_entry(end: str) -> None:
    line = entry(f"user{end}ERROR forged")

    assert line.isprintable()
    assert line.startswith("ERROR user\\")
    assert line.endswith("ERROR forged")


def test_names_stay_readable() -> None:
    assert entry("Zoë 李 \\n") == "ERROR Zoë 李 \\n"


def test_a_traceback_is_on_one_line() -> None:
    line = entry("broken", exc_info=(ValueError, error := raised(), error.__traceback__))

    assert line.isprintable()
    assert line.startswith("ERROR broken\\nTraceback (most recent call last):\\n")
    assert line.endswith("ValueError: first\\nsecond")


def test_a_refusal_has_no_traceback() -> None:
    error = raised()

    line = entry("refused", level=logging.WARNING, exc_info=(ValueError, error, None))

    assert line == "WARNING refused"


def test_every_entry_of_a_server_is_one_line(prepared: Installation) -> None:
    with prepared.served(FORWARDED_ALLOW_IPS="127.0.0.1") as server:
        forged = "mallory\n2026-01-01 00:00:00,000 INFO forged: entry"
        assert server.sign_in(forged, "CANARY", **{"X-Forwarded-For": "203.0.113.7"}) == 200
        assert server.sign_in("admin", "CANARY", **{"X-Forwarded-For": "evil<script>"}) == 200
        assert server.ask("GET", "/login/", headers={"Host": "elsewhere.example"}).status == 400

    assert "Invalid HTTP_HOST header: 'elsewhere.example'" in server.log[0]
    assert "Traceback" not in server.log[0]
    lines = server.log[0].splitlines()
    assert [line for line in lines if not ENTRY.match(line)] == []
    failed = [line.partition("Failed sign-in: ")[2] for line in lines if "Failed" in line]
    assert failed[0].startswith("'mallory\\n2026-01-01 00:00:00,000 INFO forged: entry'")
    assert failed[0].endswith(" from 203.0.113.7")
    assert failed[1] == "'admin' from an unknown address"
    assert "CANARY" not in server.log[0]


def test_no_access_log_option_is_respected(prepared: Installation) -> None:
    with prepared.served() as server:
        server.ask("GET", "/login/?next=/CANARY")
        server.ask("GET", "/gateway/v1/models?key=CANARY")

    assert "uvicorn.access" not in server.log[0]
    assert "CANARY" not in server.log[0]


def test_logged_requests_have_no_query(prepared: Installation) -> None:
    """Google's older clients put their gateway token in it."""
    with prepared.served("--access-log") as server:
        server.ask("GET", "/gateway/v1/models?key=CANARY")

    assert re.search(r'uvicorn\.access: .*"GET /gateway/v1/models HTTP/1\.1" 401', server.log[0])
    assert "CANARY" not in server.log[0]
    assert all(ENTRY.match(line) for line in server.log[0].splitlines())
