"""Giving up what no master key opens: say what that is, have it confirmed, do it."""

import sys

from django.core.management.base import CommandError, OutputWrapper

from apikeys.actors import Actor
from apikeys.services.resealing import Forgotten, Refused, forget_unreadable, would_forget

from .ending import DONE_IN_PART, OLD_IN_THE_LOG, listed
from .progress import Progress

WORD = "forget"


def forget(out: OutputWrapper, *, dry_run: bool, is_agreed: bool) -> None:
    """Destroy it for good, unless somebody says no or a live process may open it."""
    try:
        found = would_forget()
        if found.rows:
            out.write(_told(found))
            if dry_run:
                return
            _confirm(is_agreed)
            found = forget_unreadable(by=Actor.at_the_console(), progress=Progress(out, "API keys"))
            out.write(f"Destroyed {found.rows:,} rows.")
        else:
            out.write("Every row opens: there is nothing to forget.")
    except Refused as refusal:
        raise CommandError(f"Refused. {refusal}") from None
    if found.left:
        out.write(f"Enter the credentials of these API keys again:\n{_indented(found.left)}")
    problems = [*map(str, found.stopped), *([] if found.erased else [OLD_IN_THE_LOG])]
    if problems:
        raise CommandError("\n".join(["Run this again.", *problems]), returncode=DONE_IN_PART)


def _told(found: Forgotten) -> str:
    lines = [f"No master key opens {found.rows:,} rows, which would be destroyed for good:"]
    lines += [
        f"  {rows:,} credentials under {name or 'an unknown master key'}"
        for name, rows in found.under.items()
    ]
    lines += [f"  {name}" for name in found.others]
    if found.left:
        lines += ["These API keys would be left without credentials:", _indented(found.left)]
    return "\n".join(lines)


def _indented(names: list[str]) -> str:
    return "\n".join(f"  {line}" for line in listed(names))


def _confirm(is_agreed: bool) -> None:
    if not is_agreed and not sys.stdin.isatty():
        raise CommandError("Nothing was destroyed. Say --yes if you mean it.")
    if not is_agreed and input(f"Type {WORD} to destroy them: ").strip() != WORD:
        raise CommandError("Nothing was destroyed.")
