#!/bin/sh
# Install Gatehouse from a checkout into an empty directory, without build tools and ready to be read-only:
#
#   deploy/install.sh CHECKOUT TARGET [LOCK]
#
# The Dockerfile runs it. TARGET is also the path from which Gatehouse will run. LOCK is
# requirements.lock, or requirements-cloud.lock for AWS and Google credentials. With SOURCE_DATE_EPOCH
# set, the same checkout, lock and Python give the same files with the same dates.
set -eu
checkout=$1 target=$2 lock=${3:-requirements.lock}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$target"
for name in LICENSE apikeys endpoints gatewayproject manage.py pyproject.toml static templates; do
    cp -R "$checkout/$name" "$target/"
done
find "$target" -name __pycache__ -type d -prune -exec rm -rf {} +

# pip stays outside. Only wheels, which need no compiler; their hashes are in the lock.
python3 -m venv "$work/pip"
python3 -m venv --without-pip "$target/.venv"
"$work/pip/bin/python" -m pip --python "$target/.venv/bin/python" install --quiet --no-cache-dir \
    --disable-pip-version-check --no-compile --no-deps --only-binary :all: --require-hashes \
    -r "$checkout/$lock"

# Python would compile each module at each start, because it cannot write here. The compiled files have no
# dates in them.
"$target/.venv/bin/python" -m compileall -q -j 0 --invalidation-mode unchecked-hash \
    "$target/apikeys" "$target/endpoints" "$target/gatewayproject" "$target/.venv/lib"

# The settings want keys, which serve for nothing here and are not kept.
cd "$target"
export PYTHONDONTWRITEBYTECODE=1 ENV_FILE=/dev/null GATEWAY_DATA_DIR="$work/data"
FERNET_KEYS=$(.venv/bin/python -c 'from cryptography import fernet; print(fernet.Fernet.generate_key().decode())')
export FERNET_KEYS SECRET_KEY=none ALLOWED_HOSTS=localhost
.venv/bin/python manage.py collectstatic --no-input --verbosity 0

chmod -R u=rwX,go=rX "$target"
if [ -n "${SOURCE_DATE_EPOCH:-}" ]; then
    find "$target" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
fi
