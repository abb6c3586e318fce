# Gatehouse needs make and Python 3.11 or later, and nothing else.
#
#   make run     serve on http://127.0.0.1:5000 (PORT= and HOST= change that)
#   make demo    serve a sample of everything, without an account at any provider
#   make test    run the tests, on SQLite or on what DATABASE_URL names (PYTEST_ARGS= for some of them)
#   make lint    run everything that reads the code without running it
#   make format  let ruff and djlint rewrite what they can
#   make lock    resolve the dependencies anew (LOCK_ARGS=--upgrade for newer versions; needs uv)
#   make clean   remove what the above have made, except your data

SHELL := /bin/sh
.SHELLFLAGS := -euc
.DEFAULT_GOAL := help
.PHONY: help run demo test lint format lock clean venv install install-dev

VENV := .venv
PY := $(VENV)/bin/python
PYTHONS := python3 python3.14 python3.13 python3.12 python3.11 python
UV := $(shell command -v uv 2>/dev/null || { test -x $(VENV)/bin/uv && echo $(VENV)/bin/uv; })

from_env_file = $(shell sed -n 's/^$(1)=//p' .env 2>/dev/null | tail -n 1)
PORT ?= $(or $(call from_env_file,PORT),5000)
HOST ?= $(or $(call from_env_file,HOST),127.0.0.1)
export HOST
WORKERS ?= 4
PYTEST_ARGS ?=
LOCK_ARGS ?=

help:
	@sed -n 's/^#   //p' Makefile

# Without a .env this is a trial on this machine, so DEBUG is on; with one, the file decides.
run: install
	@test -e .env || export DEBUG="$${DEBUG:-true}"; \
	$(PY) manage.py prepare; \
	exec $(PY) -m uvicorn gatewayproject.asgi:application --http gatewayproject.heads:Protocol \
	    --host "$(HOST)" --port "$(PORT)" --no-access-log --no-server-header --timeout-graceful-shutdown 10

# A directory of its own, which is gone at the end. Nothing of your .env or var is touched.
demo: install
	@data=$$(mktemp -d); trap 'rm -rf "$$data"' EXIT INT TERM; \
	unset DATABASE_URL FERNET_KEYS FERNET_KEYS_FILE SECRET_KEY; \
	export ENV_FILE=/dev/null GATEWAY_DATA_DIR="$$data" DEBUG=true HTTPS=false; \
	$(PY) manage.py demo --host "$(HOST)" --port "$(PORT)"

test: install-dev
	@$(PY) -m pytest -n $(WORKERS) $(PYTEST_ARGS)

lint: install-dev
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m djlint templates --lint --quiet
	$(VENV)/bin/lint-imports
	@data=$$(mktemp -d); trap 'rm -rf "$$data"' EXIT; \
	export GATEWAY_DATA_DIR="$$data" ENV_FILE=/dev/null ALLOWED_HOSTS=gatehouse.example; \
	export DEBUG=false HTTPS=true; \
	unset DATABASE_URL FERNET_KEYS_FILE HSTS_SECONDS; \
	export SECRET_KEY=$$($(PY) -c 'import secrets; print(secrets.token_urlsafe(64))'); \
	export FERNET_KEYS=$$($(PY) -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'); \
	echo "manage.py makemigrations --check"; \
	$(PY) manage.py makemigrations --check --dry-run; \
	echo "manage.py check --deploy"; \
	$(PY) manage.py check --deploy --fail-level WARNING

format: install-dev
	$(PY) -m ruff check --fix
	$(PY) -m ruff format
	-$(PY) -m djlint templates --reformat --quiet

lock:
	@test -n "$(UV)" || { echo "make lock needs uv on your PATH."; exit 1; }
	$(UV) pip compile --universal --generate-hashes --no-header --no-annotate --quiet $(LOCK_ARGS) \
	    pyproject.toml -o requirements.lock
	$(UV) pip compile --universal --generate-hashes --no-header --no-annotate --quiet $(LOCK_ARGS) \
	    --extra aws --extra google -c requirements.lock pyproject.toml -o requirements-cloud.lock
	$(UV) pip compile --universal --generate-hashes --no-header --no-annotate --quiet $(LOCK_ARGS) \
	    --extra dev --extra aws --extra google -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:
	rm -rf $(VENV) staticfiles test-results .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- The virtual environment ----------------------------------------------------------------------

venv:
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && exit 0; \
	for python in $(PYTHON) $(PYTHONS); do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && break; \
	    python=; \
	done; \
	test -n "$$python" || { \
	    echo "Gatehouse needs Python 3.11 or later and found none."; \
	    echo "On Debian or Ubuntu: sudo apt-get install python3 python3-venv"; \
	    echo "Is it somewhere else? make PYTHON=/path/to/python3"; \
	    exit 1; }; \
	"$$python" -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "$$python cannot make virtual environments."; \
	    echo "On Debian or Ubuntu: sudo apt-get install python3-venv"; \
	    exit 1; }; \
	echo "Making $(VENV) with $$("$$python" --version)"; \
	"$$python" -m venv --clear $(VENV)

# What is installed is remembered as a copy of the lock, so nothing is fetched until the lock differs.
define install_lock
@cmp -s $(1) $(VENV)/$(1) && exit 0; \
echo "Installing $(1)"; \
if command -v uv >/dev/null 2>&1; then \
    uv pip install --quiet --require-hashes --python $(PY) -r $(1); \
else \
    $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1); \
fi; \
cp $(1) $(VENV)/$(1)
endef

install: venv
	$(call install_lock,requirements.lock)

install-dev: venv
	$(call install_lock,requirements-dev.lock)
