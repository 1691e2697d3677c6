# The front door. `make` lists the targets; every target makes the virtual environment first when it is missing.

PYTHON ?= python3
WORKERS ?= 2
SCENARIO ?= mixed
ARGS ?=

export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
unexport VIRTUAL_ENV PYTHONHOME

BIN := .venv/bin
STAMP := .venv/.stamp
CODE := $(wildcard services libs migrations tests load deploy)
CHECKS := check-ruff check-format check-types check-imports check-lints check-lock check-spec

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv run check $(CHECKS) format spec-map test test-system soak bench load fresh lock hooks clean-dev

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

venv: $(STAMP) ## make .venv from requirements.lock (PYTHON=python3.12 to choose one)

$(STAMP): requirements.lock
	@command -v $(PYTHON) >/dev/null || \
		{ echo "Gatehouse needs Python 3.11 or newer, and '$(PYTHON)' was not found (PYTHON=... names another)." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Gatehouse needs Python 3.11 or newer, and $(PYTHON) is older (PYTHON=... names another)." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) lacks its venv module: on Debian and Ubuntu, apt install python3-venv." >&2; exit 1; }
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		$(PYTHON) -m venv --clear .venv
	@# uv itself comes by pip, at the lock's version and hashes; it then installs the rest in seconds.
	@$(BIN)/uv --version >/dev/null 2>&1 || { \
		awk '/^uv==/ { on = 1 } on { print } on && !/\\$$/ { exit }' requirements.lock > .venv/uv.txt && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r .venv/uv.txt; }
	@# uv reads no pip settings: where only pip has been told of an index, the second try tells uv the same.
	@install() { $(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock; }; \
		install || { \
			UV_DEFAULT_INDEX=$${PIP_INDEX_URL:-$$($(BIN)/python -m pip config get global.index-url 2>/dev/null)}; \
			[ -n "$$UV_DEFAULT_INDEX" ] && export UV_DEFAULT_INDEX && install; }
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

run: $(STAMP) ## start everything for development (TLS=1, OTEL=console)
	$(BIN)/gatehouse dev $(if $(filter 1,$(TLS)),--tls) $(if $(OTEL),--otel $(OTEL)) $(ARGS)

check: $(STAMP) ## lint, types, import contracts, own lints, lock, spec map
	@$(MAKE) --no-print-directory --keep-going $(CHECKS)

check-ruff: $(STAMP)
	$(BIN)/ruff check --quiet $(CODE)

check-format: $(STAMP)
	$(BIN)/ruff format --quiet --check $(CODE)

check-types: $(STAMP)
	$(BIN)/mypy --strict $(CODE)

check-imports: $(STAMP)
	$(BIN)/lint-imports --no-logo

check-lints: $(STAMP)
	$(BIN)/python -m gatehouse.checks.lints

check-lock: $(STAMP)
	$(BIN)/python -m gatehouse.checks.lock

check-spec: $(STAMP)
	$(BIN)/python -m gatehouse.checks.spec_map --check

format: $(STAMP) ## format the code and repair what ruff can
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

spec-map: $(STAMP) ## write docs/spec-map.md from the tests
	$(BIN)/python -m gatehouse.checks.spec_map

test: $(STAMP) ## run the tests (WORKERS=2, ARGS="tests/authz -x")
	@$(BIN)/python -m gatehouse.checks.needs browser
	$(BIN)/pytest -n $(WORKERS) -m "not soak" $(ARGS)

test-system: $(STAMP) ## run the store tests again on the system's PostgreSQL and Redis
	@$(BIN)/python -m gatehouse.checks.needs stores
	GATEHOUSE_DEVSERVERS=system $(BIN)/pytest -n $(WORKERS) -m "stores and not soak" $(ARGS)

soak: $(STAMP) ## failover, fault matrix and long model runs
	@$(BIN)/python -m gatehouse.checks.needs browser
	GATEHOUSE_SOAK=1 $(BIN)/pytest -n $(WORKERS) -m "soak or slow" $(ARGS)

bench: $(STAMP) ## measure the cost of each operation
	$(BIN)/python -m load.bench $(ARGS)

load: $(STAMP) ## run a load scenario (SCENARIO=mixed)
	$(BIN)/python -m load.run $(SCENARIO) $(ARGS)

fresh: ## the README's commands in an empty Debian
	bash deploy/fresh.sh

lock: $(STAMP) ## resolve requirements.lock again (UPGRADE=1 for the newest)
	$(BIN)/uv pip compile --universal --generate-hashes --python-version 3.11 --no-emit-index-url --group dev \
		-o requirements.lock --quiet $(if $(filter 1,$(UPGRADE)),--upgrade)
	$(BIN)/python -m gatehouse.checks.lock

hooks: $(STAMP) ## install the git hooks
	$(BIN)/prek install

clean-dev: ## forget the development servers' data and keys
	rm -rf .gatehouse
