# Gatehouse needs make and Python 3.11 or later, and nothing else.
#
#   make run     serve on http://127.0.0.1:5000 (PORT= and HOST= change that)
#   make demo    serve a sample of everything, without an account at any provider
#   make dev     the same as make run, restarted after each change of the code or a template
#   make test    run the tests, on SQLite or on what DATABASE_URL names (PYTEST_ARGS= for some of them)
#   make test-slow  run what `make test` leaves out: every page in every look, processes that are killed
#   make conformance  run real clients (SDKs, frameworks, CLIs) and write docs/clients.md (needs npm)
#   make fuzz    send 10,000 random forms and queries to the pages (FUZZ_EXAMPLES= for another number)
#   make coverage  run the tests and list the lines and branches that none of them runs
#   make lint    run everything that reads the code without running it (biome only if npm is installed)
#   make format  let ruff, djlint and biome rewrite what they can
#   make lock    resolve the dependencies anew (LOCK_ARGS=--upgrade for newer versions; needs uv)
#   make screenshots  take the pictures of docs/images anew (needs Chromium)
#   make release VERSION=1.2.3  check, write the changelog and the SBOM, commit and tag
#   make clean   remove what the above have made, except your data

SHELL := /bin/sh
.SHELLFLAGS := -euc
.DEFAULT_GOAL := help
.PHONY: help run demo dev test test-slow conformance fuzz coverage lint lint-python lint-types lint-templates \
    lint-static lint-imports lint-django format lock screenshots release clean venv install install-dev

VENV := .venv
PY := $(VENV)/bin/python
PYTHONS := python3 python3.14 python3.13 python3.12 python3.11 python
UV := $(shell command -v uv 2>/dev/null || { test -x $(VENV)/bin/uv && echo $(VENV)/bin/uv; })

from_env_file = $(shell sed -n 's/^$(1)=//p' .env 2>/dev/null | tail -n 1)
PORT ?= $(or $(call from_env_file,PORT),5000)
HOST ?= $(or $(call from_env_file,HOST),127.0.0.1)
export HOST
WORKERS ?= 3
PYTEST_ARGS ?=
FUZZ_EXAMPLES ?= 10000
COVERAGE_ARGS ?=
LOCK_ARGS ?=

help:
	@sed -n 's/^#   //p' Makefile

# Without a .env this is a trial on this machine, so DEBUG is on; with one, the file decides.
serve = trial=; test -e .env || { export DEBUG="$${DEBUG:-true}"; trial=--trial; }; \
    serve="$(PY) manage.py serve --host $(HOST) --port $(PORT) $$trial"

run: install
	@$(serve); exec $$serve

# It starts `make run`'s server again after each change, so migrations and providers are up to date too.
# A restart waits for streams for as long as the server does.
dev: install-dev
	@$(serve); \
	exec $(VENV)/bin/watchfiles --sigint-timeout 15 "$$serve" \
	    apikeys endpoints gatewayproject templates pyproject.toml

# What `make demo` and `make lint` choose themselves.
SETTINGS = ALLOWED_HOSTS DATABASE_URL DEBUG FERNET_KEYS GATEWAY_DATA_DIR HSTS_SECONDS HTTPS SECRET_KEY STATIC_ROOT

# A directory of its own, which is gone at the end. Nothing of your .env or var is touched.
demo: install
	@data=$$(mktemp -d); trap 'rm -rf "$$data"' EXIT INT TERM; \
	unset $(foreach name,$(SETTINGS),$(name) $(name)_FILE); \
	export ENV_FILE=/dev/null GATEWAY_DATA_DIR="$$data" DEBUG=true HTTPS=false; \
	$(PY) manage.py demo --host "$(HOST)" --port "$(PORT)"

# Many images forbid bytecode. Then each worker compiles the tests, which takes 5 s of its processor.
PYTEST = PYTHONDONTWRITEBYTECODE= $(PY) -m pytest -n $(WORKERS) --dist worksteal

test: install-dev
	@$(PYTEST) -m "not slow" $(PYTEST_ARGS)

test-slow: install-dev
	@$(PYTEST) --dist loadgroup -m slow $(PYTEST_ARGS)

# Clients are installed below var/conformance, and only loopback is used to run them.
conformance: install-dev
	@CONFORMANCE_DIR=var/conformance $(PY) -m pytest -n 0 -p no:randomly tests/conformance $(PYTEST_ARGS)

fuzz: install-dev
	@FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(PYTEST) $(PYTEST_ARGS) \
	    tests/gatewayproject/test_fuzz.py tests/apikeys/test_deadlines.py

# COVERAGE_ARGS= for pytest-cov, such as --cov-fail-under=95 or --cov-report=html.
coverage: install-dev
	@$(PYTEST) -m "not slow" \
	    --cov --cov-report=term-missing:skip-covered $(COVERAGE_ARGS) $(PYTEST_ARGS)

lint: lint-python lint-types lint-templates lint-static lint-imports lint-django

lint-python: install-dev
	$(PY) -m ruff check
	$(PY) -m ruff format --check

lint-types: install-dev
	$(PY) -m mypy

lint-templates: install-dev
	$(PY) -m djlint templates --lint --quiet

lint-static: node_modules
	@$(BIOME) ci --error-on-warnings static

lint-imports: install-dev
	$(VENV)/bin/lint-imports

lint-django: install-dev
	@data=$$(mktemp -d); trap 'rm -rf "$$data"' EXIT; \
	unset $(foreach name,$(SETTINGS),$(name) $(name)_FILE); \
	export GATEWAY_DATA_DIR="$$data" ENV_FILE=/dev/null ALLOWED_HOSTS=gatehouse.example; \
	export DEBUG=false HTTPS=true; \
	export SECRET_KEY=$$($(PY) -c 'import secrets; print(secrets.token_urlsafe(64))'); \
	export FERNET_KEYS=$$($(PY) -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'); \
	echo "manage.py makemigrations --check"; \
	$(PY) manage.py makemigrations --check --dry-run; \
	echo "manage.py check --deploy"; \
	$(PY) manage.py check --deploy --fail-level WARNING

format: install-dev node_modules
	$(PY) -m ruff check --fix
	$(PY) -m ruff format
	-$(PY) -m djlint templates --reformat --quiet
	@$(BIOME) check --write static

# A pin keeps its extras: where a package asks for google-auth[requests], an old pip takes a pin of
# google-auth alone for no pin at all, as soon as there is a newer version.
COMPILE_TOOLS = $(UV) pip compile --universal --generate-hashes --no-strip-extras --no-header \
    --no-annotate --quiet $(LOCK_ARGS)
COMPILE = $(COMPILE_TOOLS) pyproject.toml

lock:
	@test -n "$(UV)" || { echo "make lock needs uv on your PATH."; exit 1; }
	$(COMPILE) -o requirements.lock
	$(COMPILE) --extra aws --extra google --extra otel -c requirements.lock -o requirements-cloud.lock
	$(COMPILE) --extra dev --extra aws --extra google --extra otel -c requirements.lock -o requirements-dev.lock
	$(COMPILE_TOOLS) --group ci -o .ci/tools.lock

screenshots: install-dev
	@$(PY) -m tests.browser.screenshots docs/images

release: venv
	@$(PY) .ci/release.py "$(VERSION)"

clean:
	rm -rf $(VENV) node_modules staticfiles test-results htmlcov var/conformance
	rm -rf .coverage .coverage.* .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- Node.js: only biome, which reads static/ -------------------------------------------------------

BIOME = test ! -x node_modules/.bin/biome || node_modules/.bin/biome

.PHONY: node_modules
node_modules:
	@cmp -s package-lock.json node_modules/package-lock.json && exit 0; \
	if ! command -v npm >/dev/null 2>&1; then \
	    echo "Skipping biome (JavaScript and CSS): npm is not installed."; \
	    exit 0; \
	fi; \
	npm ci --silent --no-audit --no-fund; \
	cp package-lock.json node_modules/package-lock.json

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
# A lock is complete, so nothing is resolved here: the versions on the index today do not matter.
define install_lock
@cmp -s $(1) $(VENV)/$(1) && exit 0; \
printf 'Installing %s, this can take a minute ' $(1); \
{ while sleep 1; do printf .; done; } & \
trap "kill $$! 2>/dev/null" EXIT INT TERM; \
if command -v uv >/dev/null 2>&1; then \
    uv pip install --quiet --no-deps --require-hashes --python $(PY) -r $(1); \
else \
    $(PY) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(1); \
fi; \
cp $(1) $(VENV)/$(1); \
echo " done"
endef

install: venv
	$(call install_lock,requirements.lock)

install-dev: venv
	$(call install_lock,requirements-dev.lock)
