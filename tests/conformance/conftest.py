"""Checks with installed clients run only where CONFORMANCE_DIR says where to install them."""

import os
from collections.abc import Iterator

import pytest

from . import report

collect_ignore = [] if os.environ.get("CONFORMANCE_DIR") else ["test_clients.py"]


@pytest.fixture(autouse=True)
def _check_logs(nothing_slips_out: None) -> None: ...


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    result = yield
    params = getattr(getattr(item, "callspec", None), "params", {})
    if "client_tool" in params:
        report.note(params["client_tool"], params["feature"], result)
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if report.outcomes:
        terminalreporter.write_sep("=", "clients")
        terminalreporter.write(report.table())
        report.write_if_complete()
