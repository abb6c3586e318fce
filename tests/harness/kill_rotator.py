"""Kill ``rotate_master_key`` at random moments, while people edit, rotate and delete.

    python -m tests.harness.kill_rotator [--kills 100] [--keys 450] [--people 3] [--seed 0]

One rotation follows another, each with a new master key and by the runbook: the people get
``[old, new]``, then ``[new, old]``, the rotator runs and is killed until it reaches its end, and
then the old key is dropped. After each kill every row has to open with one of the two keys, after
each rotation with the new one alone, and at the end the database has to be what the journals of the
people say.

It works in a database of its own: SQLite, or on the server that ``DATABASE_URL`` names.
"""

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import django

from gatewayproject.keyring import generate_master_key
from tests.installation import own_database, production_settings

from .colleague import Colleague

BATCHES = (20, 100, 500)  # small ones: kills meet many transactions; large ones: people meet many
TWO_AT_ONCE = 0.2  # of the attempts run two rotators


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--keys", type=int, default=450)
    parser.add_argument("--people", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, own_database() as database:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "gatewayproject.settings",
            "ENV_FILE": os.devnull,
            "GATEWAY_DATA_DIR": folder,
            "LOG_LEVEL": "ERROR",
            **production_settings(),
            **database,
        }
        django.setup()
        is_well = Trial(Path(folder), options).run()
    sys.exit(not is_well)


class Trial:
    """One house, its people, and who kills."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        from django.conf import settings
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        self.settings, self.folder, self.options = settings, folder, options
        self.chance = random.Random(options.seed)
        self.kills = self.rotations = self.started = 0
        self.longest_run = 0.0
        self.moved_when_killed: list[float] = []
        self.broken: Counter[str] = Counter()

    @property
    def journals(self) -> list[Path]:
        return [self.folder / f"journal-{number}" for number in range(self.options.people)]

    def run(self) -> bool:
        began = time.monotonic()
        with self.people() as people:
            while self.kills < self.options.kills:
                self.rotate_once(people)
            reports = [person.stop() for person in people]
        self.rotate_once([])
        return self.tell(reports, time.monotonic() - began)

    @contextlib.contextmanager
    def people(self) -> Iterator[list[Colleague]]:
        share = self.options.keys // self.options.people
        people = [Colleague(f"person-{n}", share, path) for n, path in enumerate(self.journals)]
        for person in people:
            person.has_settled_in()
        self.first_tokens = self.tokens()
        try:
            yield people
        finally:
            for person in people:
                person.process.kill()

    def rotate_once(self, people: list[Colleague]) -> None:
        """Bring in a new master key by the runbook, with as many kills as it takes."""
        [old], new = self.settings.FERNET_KEYS, generate_master_key()
        for keys in ([old, new], [new, old]):
            self.hand_out(keys, people)
        while not self.attempt(may_kill=bool(people)):
            self.look(both=True)
        self.rotations += 1
        self.hand_out([new], people)
        self.look(both=False)
        self.say(".")

    def hand_out(self, keys: list[str], people: list[Colleague]) -> None:
        self.settings.FERNET_KEYS = keys
        for person in people:
            person.use(keys)

    def attempt(self, *, may_kill: bool) -> bool:
        """Start one rotator or two; kill them, or see that they reach their end."""
        two = may_kill and self.chance.random() < TWO_AT_ONCE
        rotators = [self.start_rotator() for _ in range(1 + two)]
        began = time.monotonic()
        may_kill = may_kill and self.kills < self.options.kills and self.longest_run
        if may_kill:
            self.wait(rotators, self.chance.uniform(0, 0.9 * self.longest_run))
        for rotator in rotators if may_kill else []:
            os.kill(rotator, signal.SIGKILL)
        statuses = [os.waitpid(rotator, 0)[1] for rotator in rotators]
        self.kills += sum(os.WIFSIGNALED(status) for status in statuses)
        codes = [os.waitstatus_to_exitcode(status) for status in statuses]
        if any(code not in (0, -signal.SIGKILL) for code in codes):
            raise SystemExit(f"A rotator ended by itself: {codes}")
        if not may_kill:
            self.longest_run = max(self.longest_run, time.monotonic() - began)
        return 0 in codes

    def wait(self, rotators: list[int], seconds: float) -> None:
        """Sleep, but no longer than all of them run."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and any(map(_runs, rotators)):
            time.sleep(0.001)

    def start_rotator(self) -> int:
        """Run the command in a process of its own: a fork, as starting Django would take longer."""
        from django.core.management import call_command
        from django.db import connections

        connections.close_all()
        self.started += 1
        size = self.chance.choice(BATCHES)
        if child := os.fork():
            return child
        status = 1
        try:
            with open(os.devnull, "w") as nowhere:
                call_command("rotate_master_key", batch_size=size, stdout=nowhere)
            status = 0
        except BaseException:  # noqa: BLE001 - a fork never returns into its parent's code
            traceback.print_exc()
        finally:
            os._exit(status)

    def look(self, *, both: bool) -> None:
        from apikeys.services.master_key_rotation import survey

        report = survey()
        self.broken["unreadable on the way"] += len(report.unreadable)
        if both:
            self.moved_when_killed.append(1 - report.left / report.checked)
        else:
            self.broken["left under an old key"] += report.left

    def tokens(self) -> list[bytes]:
        from apikeys.models import CredentialVersion

        rows = CredentialVersion.objects.filter(sealed__isnull=False)
        return [sealed.token for sealed in rows.values_list("sealed", flat=True)]

    def tell(self, reports: list[tuple[int, float, list[str]]], seconds: float) -> bool:
        from django.db import connection

        from .checking import compare, occurrences
        from .people import expected

        states = expected(self.journals)
        self.broken.update(compare(states))
        self.broken["old tokens in the files"] += occurrences(self.first_tokens) or 0
        failures = [failure for _, _, each in reports for failure in each]
        self.broken["acts that failed"] += len(failures)
        print(f"\n{connection.vendor}: {self.kills} kills, {self.started} starts, "
              f"{self.rotations} rotations to the end, {seconds:.0f} s")  # fmt: skip
        print(f"people: {sum(acts for acts, _, _ in reports):,} acts, the longest "
              f"{max(longest for _, longest, _ in reports) * 1000:.0f} ms; "
              f"{len(states)} keys in the end")  # fmt: skip
        quarters = Counter(min(int(share * 4), 3) for share in self.moved_when_killed)
        print(f"killed with 0–25, –50, –75, –100 % re-sealed: {[quarters[n] for n in range(4)]}")
        for name, number in self.broken.items():
            print(f"  {name}: {number}")
        print("\n".join(failures[:3]))
        return not sum(self.broken.values())

    def say(self, text: str) -> None:
        print(text, end="", flush=True)


def _runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    return False


if __name__ == "__main__":
    main()
