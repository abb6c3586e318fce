"""Destroy what no master key decrypts, after listing it and asking for confirmation."""

import sys

from django.core.management.base import CommandError, OutputWrapper

from apikeys.services.master_key_rotation import (
    Forgotten,
    RotationRefused,
    forget_unreadable,
    would_forget,
)
from apikeys.services.sqlite_wal import OLD_IN_THE_LOG
from gatewayproject.accounts.actors import Actor
from gatewayproject.console.command_output import DONE_IN_PART, Progress, listed
from gatewayproject.console.wording import counted

WORD = "forget"


def forget(out: OutputWrapper, *, dry_run: bool, is_agreed: bool) -> None:
    """Destroy it for good, unless the user declines or a live process may still decrypt it."""
    try:
        found = would_forget()
        if found.rows:
            out.write(_listing(found))
            if dry_run:
                return
            if not is_agreed and not sys.stdin.isatty():
                raise CommandError("Nothing was destroyed. Add --yes to destroy them.")
            if not is_agreed and input(f"Type {WORD} to destroy them: ").strip() != WORD:
                raise CommandError("Nothing was destroyed.")
            found = forget_unreadable(by=Actor.at_the_console(), progress=Progress(out, "API keys"))
            out.write(f"Destroyed {counted(found.rows, 'row')}.")
        else:
            out.write("Every row is readable. There is nothing to forget.")
    except RotationRefused as refusal:
        raise CommandError(f"Refused. {refusal}") from None
    if found.left:
        out.write(f"Enter the credentials of these API keys again:\n{_indented(found.left)}")
    problems = [*map(str, found.stopped), *([] if found.erased else [OLD_IN_THE_LOG])]
    if problems:
        raise CommandError(
            "\n".join(["Run this command again:", *problems]), returncode=DONE_IN_PART
        )


def _listing(found: Forgotten) -> str:
    rows = counted(found.rows, "row. It", "rows. They")
    lines = [f"No master key decrypts {rows} would be destroyed for good:"]
    lines += [
        f"  {counted(rows, 'credential')} under {name or 'an unknown master key'}"
        for name, rows in found.under.items()
    ]
    lines += [f"  {name}" for name in found.others]
    if found.left:
        lines += ["These API keys would have no credentials:", _indented(found.left)]
    return "\n".join(lines)


def _indented(names: list[str]) -> str:
    return "\n".join(f"  {line}" for line in listed(names))
