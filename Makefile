# The text after ## is what `make help` shows.

SHELL := /bin/bash
CONFIG ?= pipeline/configs/quickstart.yaml
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test test-slow bench lint format docs setup lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s  %s\n", $$1, $$2}'

run: setup ## Train, judge and push a classifier of the sample images; CONFIG=FILE for another config
	.venv/bin/headstart run $(CONFIG) $(ARGS)

test: setup ## Run the tests except the slow ones; ARGS="-k resize" for some of them
	.venv/bin/python -m pytest -m "not slow" $(ARGS)

test-slow: setup ## Run the slow tests: whole pipelines, minutes each
	.venv/bin/python -m pytest -m slow $(ARGS)

bench: setup ## Measure against the plain way of doing the same, some ten minutes
	.venv/bin/python -m tests.benchmarks

lint: setup ## Check format and style with ruff
	.venv/bin/ruff format --check
	.venv/bin/ruff check

format: setup ## Format the code and mend what ruff can mend
	.venv/bin/ruff format
	.venv/bin/ruff check --fix

docs: setup ## Write docs/config.md anew from the settings
	.venv/bin/python -m pipeline.config_docs > docs/config.md

setup: ## Make .venv from the lock; done already, it does nothing
	@requirements/set_up.sh

LOCK = requirements/uv.sh pip compile --quiet --generate-hashes --no-emit-index-url \
  --custom-compile-command "make lock"

lock: ## Resolve both stacks and the checks into their locks again; ARGS=--upgrade for newer versions
	$(LOCK) --python-version 3.10 requirements/tfx-1.16.in --output-file requirements/tfx-1.16.txt $(ARGS)
	$(LOCK) --python-version 3.13 --python-platform x86_64-manylinux_2_39 requirements/tfx-1.21.in \
	  --override requirements/tfx-1.21.overrides.in --output-file requirements/tfx-1.21.txt $(ARGS)
	$(LOCK) --universal --python-version 3.10 requirements/checks.in --output-file requirements/checks.txt $(ARGS)

clean: ## Remove what the other targets made, except runs/
	rm -rf .venv .tools .pytest_cache .ruff_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
