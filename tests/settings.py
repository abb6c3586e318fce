"""Settings of the tests: Gatehouse's own, as in production, with keys made for this run.

Nothing of the developer's environment or ``.env`` reaches a test, save ``DATABASE_URL``.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from gatewayproject import keyring

# In memory where there is such a place: installing and serving wait for the disk most of the time.
IN_MEMORY = "/dev/shm"  # noqa: S108
if os.access(IN_MEMORY, os.W_OK):
    tempfile.tempdir = IN_MEMORY

_data_dir = tempfile.mkdtemp(prefix="gatehouse-tests-")
atexit.register(shutil.rmtree, _data_dir, ignore_errors=True)

_environment = {
    "ENV_FILE": os.devnull,
    "GATEWAY_DATA_DIR": _data_dir,
    "STATIC_ROOT": _data_dir,
    "SECRET_KEY": keyring.generate_secret_key(),
    "FERNET_KEYS": keyring.generate_master_key(),
    "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
    "DEBUG": "false",
    "HTTPS": "false",
    "DJANGO_ALLOW_ASYNC_UNSAFE": "true",  # Playwright's synchronous API runs inside an event loop
}
for _name in _environment:
    os.environ.pop(f"{_name}_FILE", None)
os.environ |= _environment

from gatewayproject.settings import *  # noqa: E402, F403
from gatewayproject.settings import DATABASES, STORAGES  # noqa: E402

HEARTBEAT_SECONDS = 0  # the tests' own servers come and go, and so do their databases

# The originals, because no test collects them.
STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
# Looked up when asked for: otherwise each test client reads all of them, 20 ms a test.
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = True

# A file, because a database in memory loses writes when a server's threads share it.
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": str(Path(_data_dir) / "test.sqlite3")}
    # No test pulls the plug of the machine, and waiting for its disk takes most of their time.
    DATABASES["default"]["OPTIONS"]["init_command"] += " PRAGMA synchronous=OFF;"
