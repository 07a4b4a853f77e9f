# Every target sets itself up in .venv; only Python 3.11 or newer, git and make are needed.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh
PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV := 0.13.8
TARGETS := help setup demo test drill lint bench bench-harvest bench-preprocess bench-stream cluster cluster-down ui clean
.PHONY: $(TARGETS)

here := $(shell cd "$(dir $(lastword $(MAKEFILE_LIST)))" && pwd -P)
ifneq ($(shell pwd -P),$(here))
# `make -f elsewhere/Makefile`: the same, from the checkout.
$(TARGETS):
	@$(MAKE) --no-print-directory -C "$(here)" $@
else

export PATH := $(here)/.venv/bin:$(PATH)
# The checkout's own settings, whatever the caller's shell holds.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME PYTHONSAFEPATH

# Much of the time of tests is waiting for servers and processes: two at a time.
both := --numprocesses 2 --dist worksteal

help:
	@echo "make demo    set up, run the whole pipeline on the sample, offline"
	@echo "make test    set up, run the tests, linters, type checker, import contract"
	@echo "make drill   what is long or violent: kills, broken scans, every process count"
	@echo "make lint    the linters, the type checker and the import contract alone"
	@echo "make bench   the benchmarks; results in bench/results/"
	@echo "make bench-harvest   of these the harvest's: floors of the limits, and what was seen"
	@echo "make bench-preprocess   decoding, cropping and shards against peers and limits"
	@echo "make bench-stream   the loader against peers, each in an environment of its own"
	@echo "make cluster   start a SLURM on this machine: 3 nodes of 2 fake GPUs"
	@echo "make cluster-down   end it, and every job on it"
	@echo "make ui      start the Prefect server with workers and deployments"
	@echo "make clean   end server and cluster; remove .venv and the caches (data/ stays)"

setup: .venv/ready .dvc/config.local

# The lock is resolved for Python 3.11.0, so that any 3.11 will do: see CONTRIBUTING.md.
# pip's own wheel folder, where there is one, has the CPU build of torch; elsewhere the
# registry's torch, with CUDA, is what a GPU user wants.
.venv/ready: requirements.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one: make PYTHON=python3.11 ...")'
	@echo "Setting up .venv ..."
	@"$(PYTHON)" -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV) 2>.venv/uv.log || { cat .venv/uv.log; exit 1; }
	@links=$${PIP_FIND_LINKS:-$$(.venv/bin/python -m pip config get global.find-links 2>/dev/null || true)}; \
	  env $${links:+UV_FIND_LINKS="$$links"} .venv/bin/uv pip install --quiet --compile-bytecode --python .venv/bin/python -r requirements.lock
	@.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --editable .
	@touch $@

# Without Git, DVC must be told so; with it, that setting would break `dvc exp`.
.dvc/config.local: $(wildcard .git/HEAD) .venv/ready
	@if [ -e .git ]; then \
	  touch $@; dvc config --local --unset core.no_scm 2>/dev/null || true; \
	else dvc config --local core.no_scm true; fi
	@touch $@

demo: setup
	@dvc repro --quiet
	@photochrom summary

test: lint
	@pytest $(both)

lint: setup
	@ruff check
	@ruff format --check --quiet
	@mypy
	@lint-imports --no-logo

drill: setup
	@pytest -m drill $(both)

bench: setup
	@for bench in bench/[a-z]*.py; do echo "$$bench"; python "$$bench" || exit 1; done

bench-harvest: setup
	@python bench/harvest_floor.py

bench-preprocess: setup
	@python bench/preprocessing.py

bench-stream: setup
	@python bench/streaming.py

cluster: setup
	@python -m tests.cluster up

cluster-down: setup
	@python -m tests.cluster down

# Workers submit to the cluster of `make cluster`, if it is up and the shell names no other.
ui: setup
	@if [ -z "$$SLURM_CONF" ] && [ -L .photochrom/cluster ] && python -m tests.cluster status >/dev/null; \
	  then SLURM_CONF=$$(readlink .photochrom/cluster)/slurm.conf; export SLURM_CONF; fi; \
	  photochrom ui

clean:
	@[ ! -x .venv/bin/photochrom ] || photochrom down
	@[ ! -L .photochrom/cluster ] || [ ! -x .venv/bin/python ] || python -m tests.cluster down
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

endif
