# Every target sets up what it needs. Root is needed by demo, test and bench, for network namespaces.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup setup-neutron demo test test-controller test-lab test-neutron check bench constraints clean

BIN := .venv/bin
AS_ROOT := packaging/setup/as-root
SUITE := packaging/suite
SUITES := controller lab neutron
# Files of tests are shared out to so many processes; JOBS=0: none but pytest's own, to debug.
JOBS := 2
PYTEST := pytest -q -n $(JOBS) --dist loadfile

help: ## Show what there is (this list)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is missing: Debian packages, and Python packages into .venv
	@packaging/setup/setup

setup-neutron: ## The same for what concerns Neutron: databases, and Neutron itself into .venv-neutron
	@packaging/setup/setup neutron

demo: setup$(and $(CLOUD),-$(CLOUD)) ## Hypervisors, VMs and a controller, CLOUD=neutron: a real Neutron; KEEP=1 leaves them running
	@KEEP=$(KEEP) $(AS_ROOT) $(BIN)/python packaging/demo$(and $(CLOUD),_$(CLOUD)).py $(ARGS)

test: ## All tests, suite by suite; ARGS="-k word" to choose, ARGS="-m 'not ovs'" for those without switches
	@failed=; for suite in $(SUITES); do $(MAKE) --no-print-directory test-$$suite || failed="$$failed $$suite"; done; \
	    if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi

test-controller: setup ## The controller's tests
	@$(SUITE) controller 480 $(AS_ROOT) $(BIN)/$(PYTEST) controller $(ARGS)

test-lab: setup ## The lab's tests
	@$(SUITE) lab 60 $(AS_ROOT) $(BIN)/$(PYTEST) lab $(ARGS)

test-neutron: setup-neutron ## The Neutron driver's tests, with a real Neutron and real databases
	@$(SUITE) neutron 660 $(AS_ROOT) .venv-neutron/bin/$(PYTEST) neutron $(ARGS)

check: setup ## Style, types, which part may import which, links in the documentation
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python docs/generate.py --check
	@$(BIN)/python packaging/check_links.py

bench: setup ## All measurements; BENCH=bench/NAME.py for one
	@for each in $(or $(BENCH),$(shell grep -l __main__ bench/*.py)); do \
	    $(AS_ROOT) $(BIN)/python $$each $(ARGS) || exit; done

constraints: ## Choose the newest Python packages that go together, into constraints.txt and neutron/constraints.txt
	@packaging/setup/constraints

clean: ## Remove what setup and the tools made in this folder
	@rm -rf .venv .venv-neutron .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache neutron/.stestr
	@find . -name __pycache__ -prune -exec rm -rf {} +
