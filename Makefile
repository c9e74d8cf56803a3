# The text after ## is what `make help` shows.

SHELL := /bin/bash
CONFIG ?= pipeline/configs/quickstart.yaml
ARGS ?=
JOBS ?= 2
# Empty: the stack that is set up already, or else what this machine can carry; see requirements/set_up.sh.
STACK ?=
ACCELERATOR ?=
VENV = $(if $(STACK),.venvs/$(STACK),.venv)

.DEFAULT_GOAL := help
.PHONY: help run test test-slow bench lint format docs setup checks lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s  %s\n", $$1, $$2}'

run: setup ## Train, judge and push a classifier of the sample images; CONFIG=FILE for another config
	$(VENV)/bin/headstart run $(CONFIG) $(ARGS)

test: setup checks ## Run the tests except the slow ones, two files at a time; ARGS="-k resize" for some, JOBS=1
	$(VENV)/bin/python -m pytest -n $(JOBS) --dist loadfile -m "not slow" $(ARGS)

test-slow: setup checks ## Run the slow tests: whole pipelines, minutes each
	$(VENV)/bin/python -m pytest -n $(JOBS) --dist loadfile -m slow $(ARGS)

bench: setup ## Measure against the plain way of doing the same, some ten minutes
	$(VENV)/bin/python -m tests.benchmarks

lint: setup ## Check format and style with ruff
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/ruff check

format: setup ## Format the code and mend what ruff can mend
	$(VENV)/bin/ruff format
	$(VENV)/bin/ruff check --fix

docs: setup ## Write docs/config.md anew from the settings
	$(VENV)/bin/python -m pipeline.config_docs > docs/config.md

setup: ## Make .venv from a lock; done already, it does nothing. STACK=default or current, ACCELERATOR=cpu or gpu decide
	@ACCELERATOR='$(ACCELERATOR)' requirements/set_up.sh '$(STACK)'

checks: setup ## Make .tools/checks, with what only the tests of Kubernetes' manifests need
	@requirements/set_up_checks.sh $(VENV)/bin/python

LOCK = requirements/uv.sh pip compile --quiet --generate-hashes --no-emit-index-url \
  --custom-compile-command "make lock"
# Locks only what another lock has not yet, at versions that go with it.
BESIDE = --constraint $(1) $$(sed -nE 's/^([A-Za-z0-9._-]+)==.*/--no-emit-package \1/p' $(1))

lock: ## Resolve both stacks and the checks into their locks again; ARGS=--upgrade for newer versions
	$(LOCK) --python-version 3.10 requirements/tfx-1.16.in --output-file requirements/tfx-1.16.txt $(ARGS)
	$(LOCK) --universal --python-version 3.11 requirements/tfx-1.21.in \
	  --override requirements/tfx-1.21.overrides.in --output-file requirements/tfx-1.21.txt $(ARGS)
	$(LOCK) --python-version 3.10 requirements/cuda.in $(call BESIDE,requirements/tfx-1.16.txt) \
	  --output-file requirements/cuda-1.16.txt $(ARGS)
	$(LOCK) --universal --python-version 3.11 requirements/cuda.in $(call BESIDE,requirements/tfx-1.21.txt) \
	  --output-file requirements/cuda-1.21.txt $(ARGS)
	$(LOCK) --no-deps --python-version 3.10 requirements/tpu.in --output-file requirements/tpu-1.16.txt $(ARGS)
	$(LOCK) --universal --python-version 3.10 requirements/checks.in --output-file requirements/checks.txt $(ARGS)

clean: ## Remove what the other targets made, except runs/
	rm -rf .venv .venvs .tools .pytest_cache .ruff_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
