# Each target makes what it needs, from Python 3.11 or newer and make alone: uv in .tools, the project in .venv.
PYTHON ?= python3
UV := .tools/bin/uv
RUN := $(UV) run --frozen --no-sync
STAMP := .venv/.synced

.PHONY: demo test lint format faults bench docs clean help

help:
	@echo "make demo    three research runs, recorded and explained (seconds; the first time it installs what it needs)"
	@echo "make test    lint, types, import contracts and every test but the long ones (about three minutes)"
	@echo "make faults  the long lane: kills, full disks, broken files"
	@echo "make bench   speed and memory beside OpenTelemetry's SDK"
	@echo "make docs    the user guide as a web site, in site/"

$(UV):
	@echo "== making .tools (uv) with $(PYTHON)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "whence needs Python 3.11 or newer; say which with: make PYTHON=python3.11 ...")'
	@$(PYTHON) -m venv .tools
	@.tools/bin/python -m pip --quiet --disable-pip-version-check install uv==0.13.8

$(STAMP): pyproject.toml uv.lock | $(UV)
	@echo "== installing whence and its tools into .venv"
	@$(UV) sync --quiet --frozen --python $(PYTHON) --group dev
	@touch $(STAMP)

demo: $(STAMP)
	@$(RUN) whence demo

lint: $(STAMP)
	@echo "== ruff, mypy --strict, import contracts, dependencies"
	@$(RUN) ruff check --quiet .
	@$(RUN) ruff format --quiet --check .
	@$(RUN) mypy
	@$(RUN) lint-imports --no-logo
	@$(RUN) deptry --no-ansi src

format: $(STAMP)
	@$(RUN) ruff check --quiet --fix .
	@$(RUN) ruff format --quiet .

test: lint
	@echo "== tests, on two processes (real SQLite, real processes, real files)"
	@$(RUN) pytest -n 2 -q -m "not faults"

faults: $(STAMP)
	@echo "== faults: hundreds of kills, full disks, damaged files; two to four minutes"
	@$(RUN) pytest -q -m faults

bench: $(STAMP)
	@echo "== benchmarks, in pairs with OpenTelemetry's SDK; about a quarter of an hour"
	@$(UV) sync --quiet --frozen --group dev --group bench
	@$(RUN) python -m benchmarks

docs: $(STAMP)
	@$(UV) sync --quiet --frozen --group dev --group docs
	@$(RUN) zensical build

clean:
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis site dist
