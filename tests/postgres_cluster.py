"""PostgreSQL servers of one's own: a primary, and standbys that follow it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.installation import free_port

_PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
_SETTINGS = (
    "listen_addresses = '{address}'\nport = {port}\nunix_socket_directories = ''\nfsync = off\n"
    "max_connections = 60\nwal_level = replica\nhot_standby = on\n"
)


def is_installed() -> bool:
    return bool(_PLACES) and (os.geteuid() != 0 or shutil.which("runuser") is not None)


@dataclass(frozen=True)
class Cluster:
    """A server with its data in ``place``."""

    place: Path
    address: str
    port: int
    prefix: tuple[str, ...] = ()  # of each command, such as that of a network namespace

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@{self.address}:{self.port}/{database}"

    def run(self, program: str, *arguments: str) -> None:
        # It refuses to run as root.
        user = ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()
        command = [*self.prefix, *user, str(_PLACES[0] / program), *arguments]
        output = (self.place.parent / f"{self.place.name}.log").open("ab")
        with output:
            subprocess.run(command, cwd="/", check=True, stdout=output, stderr=output)

    def start(self) -> None:
        with (self.place / "postgresql.conf").open("a") as file:
            file.write(_SETTINGS.format(address=self.address, port=self.port))
        self.run("pg_ctl", "-D", str(self.place), "-w", "start")

    def promote(self) -> None:
        self.run("pg_ctl", "-D", str(self.place), "-w", "promote")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self.place), "-m", "immediate", "stop")


@contextmanager
def primary(address: str = "127.0.0.1", prefix: tuple[str, ...] = ()) -> Iterator[Cluster]:
    """Start a new server; anyone on ``address`` and its network may connect."""
    place = Path(tempfile.mkdtemp(prefix="gatehouse-postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(place, "postgres")
        cluster = Cluster(place / "primary", address, free_port(), prefix)
        cluster.run("initdb", "-D", str(cluster.place), "-U", "postgres", "-A", "trust")
        with (cluster.place / "pg_hba.conf").open("a") as file:
            file.write("host all all samenet trust\nhost replication all samenet trust\n")
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(place)


@contextmanager
def standby_of(server: Cluster) -> Iterator[Cluster]:
    """Start a copy of ``server`` that follows it."""
    standby = Cluster(server.place.with_name("standby"), server.address, free_port())
    standby.run("pg_basebackup", "-R", "-D", str(standby.place), "-d", server.url(), "-c", "fast")
    standby.start()
    try:
        yield standby
    finally:
        standby.stop()
