# What people and CI run. Each target does its own set-up; what is set up already costs a fraction of a second.
# A bare machine needs git, make and Python 3.11.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# uv works in this folder's .venv, whatever is activated, and with the Python 3.11 that is there
export UV_PROJECT_ENVIRONMENT := .venv
export UV_PYTHON_DOWNLOADS := never
unexport VIRTUAL_ENV

UV := .venv/bin/uv

.PHONY: help
help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

.PHONY: install
install: $(UV)  ## set up .venv with the storeavail command
	@$(UV) sync --frozen --no-dev --inexact

.PHONY: demo
demo: install  ## install, simulate three countries, run hours of windows, show the figures
	@.venv/bin/storeavail demo

.PHONY: ui
ui: install  ## the demo, then the Dagster UI and the pages with live schedules
	@.venv/bin/storeavail demo --ui

.PHONY: test
test: develop  ## install what the tests need (Java 17, Maven, Chromium, PgBouncer and nginx too) and run them
	@scripts/ensure-java
	@scripts/ensure-browser
	@scripts/ensure-pgbouncer
	@scripts/ensure-nginx
	@.venv/bin/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder --durations 40 --durations-min 10

.PHONY: test-long
test-long: develop  ## what takes longest: storms of faults, 1,000 dirty companies, daemons that are killed, windows across a release and a lost cluster (some 45 minutes)
	@scripts/ensure-java
	@.venv/bin/python -m pytest -m long
	@cat .cache/reliability.json

.PHONY: notebook
notebook: $(UV)  ## the guided notebook (marimo) over the demo's tables, in the browser
	@$(UV) sync --frozen --no-dev --inexact --extra notebook
	@test -e .storeavail/demo/storeavail.yaml || .venv/bin/storeavail demo
	@.venv/bin/marimo edit zeppelin/guided.py

.PHONY: screenshot
screenshot: develop  ## take the pictures of the pages in docs/images again
	@scripts/ensure-browser
	@.venv/bin/python -m storeavail_platform_tests.dashboard.screenshot docs/images

.PHONY: docs
docs: install  ## write the tables of docs/tables.md and docs/configuration.md again, from the code
	@.venv/bin/python -m scripts.documents docs

.PHONY: check
check: develop  ## ruff, mypy (strict), the layers, the lock file, a hash for all that is installed
	.venv/bin/python -m ruff check
	.venv/bin/python -m ruff format --check
	.venv/bin/python -m mypy
	.venv/bin/lint-imports
	$(UV) lock --check
	.venv/bin/python -m scripts.supply_chain

.PHONY: sbom
sbom: $(UV)  ## write what the images are made of, with versions and hashes, to dist/sbom.cdx.json (CycloneDX)
	@mkdir -p dist
	@$(UV) export --quiet --locked --no-default-groups --extra spark --extra production --no-emit-project \
		--format cyclonedx1.5 --preview-features sbom-export --output-file dist/sbom.cdx.json
	@echo dist/sbom.cdx.json

.PHONY: bench
bench: develop  ## the benchmarks, side by side (Java 17, Maven and Chromium too)
	@scripts/ensure-java
	@scripts/ensure-browser
	@.venv/bin/python -m benchmarks

.PHONY: develop
develop: $(UV)  ## set up .venv with everything of the lock: the tests' packages and the extras
	@$(UV) sync --frozen --all-extras

$(UV): scripts/uv.txt
	@scripts/bootstrap
