# Firstpass. Every target makes .venv and installs what it needs, once.
#
#   make serve                       serve on http://127.0.0.1:9090 (HOST, PORT, DATA_DIR, … : README)
#   make serve TORCH_INDEX=https://download.pytorch.org/whl/cpu     the same with a CPU-only PyTorch
#   make test                        the tests             PYTEST_ARGS="-k rle" narrows them
#   make check                       format, lint, types and tests: what a commit must pass
#   make bench                       the tables of benchmarks/
#   make e2e                         against a real Label Studio, installed beside (1 GB)
#   make clean                       remove the environments
#
# PYTHON picks the interpreter (3.10 to 3.13) that .venv is made with.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
TORCH_INDEX ?=
PYTEST_ARGS ?=
LABEL_STUDIO_VERSION ?= 1.23.2

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet
BENCHMARKS := rle polygons text_cache serving crf

.PHONY: help serve test check format bench e2e doctor clean

help:
	@sed -n '2,/^$$/s/^# \{0,1\}//p' Makefile

serve: .venv/runtime.stamp
	@exec $(BIN)/python -m backend serve

doctor: .venv/runtime.stamp
	@$(BIN)/python -m backend doctor

test: .venv/dev.stamp
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: .venv/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest $(PYTEST_ARGS)

format: .venv/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/dev.stamp
	for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name; done

e2e: .venv/dev.stamp .venv-ls/label-studio.stamp
	$(BIN)/python -m pytest -m e2e tests/e2e $(PYTEST_ARGS)

.venv/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 13) else \
	  "Firstpass needs Python 3.10 to 3.13 and $(PYTHON) is %d.%d: name another one, as in make PYTHON=python3.12 serve" % v)'
	$(PYTHON) -m venv .venv || { rm -rf .venv; \
	  echo "$(PYTHON) -m venv failed: on Debian and Ubuntu, apt install python3-venv" >&2; exit 1; }

.venv/runtime.stamp: requirements.txt | .venv/bin/python
	@echo "Installing requirements.txt into .venv (PyTorch is large: about 2 minutes)"
	@if [ -n "$(TORCH_INDEX)" ]; then $(PIP) torch torchvision --index-url "$(TORCH_INDEX)"; fi
	@$(PIP) -r requirements.txt
	@touch $@

.venv/dev.stamp: requirements-dev.txt .venv/runtime.stamp
	@echo "Installing requirements-dev.txt into .venv"
	@$(PIP) -r requirements-dev.txt
	@touch $@

.venv-ls/label-studio.stamp:
	@echo "Installing label-studio $(LABEL_STUDIO_VERSION) into .venv-ls (1 GB, about 3 minutes)"
	$(PYTHON) -m venv .venv-ls
	.venv-ls/bin/python -m pip install --quiet label-studio==$(LABEL_STUDIO_VERSION)
	@touch $@

clean:
	rm -rf .venv .venv-ls .pytest_cache .ruff_cache .mypy_cache .hypothesis
