# Firstpass. Every target makes .venv and installs what it needs, once.
#
#   make serve                       serve on http://127.0.0.1:9090 (HOST, PORT, … : docs/settings.md)
#   make serve TORCH_INDEX=https://download.pytorch.org/whl/cpu     the same with a CPU-only PyTorch
#   make serve CONSTRAINTS=constraints.txt     the same with the exact versions that were tested
#   make test                        the tests             PYTEST_ARGS="-k rle" narrows them,
#                                    TEST_PROCESSES=1 runs them one after another
#   make check                       format, lint, types and tests: what a commit must pass
#   make check-newest                the tests of numbers with the newest NumPy and OpenCV, which the
#                                    tests' environment holds back and `make serve` takes
#   make check-python                the tests with every Python at hand, 3.10 to 3.14
#   make constraints                 write the versions that check-python passed with
#   make bench                       the tables of benchmarks/
#   make e2e                         against a real Label Studio, installed beside (1 GB), and its
#                                    labeling page in a headless Chromium, which must be installed
#   make ray                         prelabel on a cluster of Ray of this machine (300 MB more)
#   make fuzz                        strangers' bytes at each reader, FUZZ_MINUTES=60
#   make browser                     the page at / in a headless Chromium, which must be installed
#   make soak                        every fault of store, disk, workers, clock, memory, for real
#   make lock                        docker/*.lock: what the image installs, by hash
#   make audit                       known faults of the locked versions, by pip-audit
#   make sbom                        build/sbom.json: a CycloneDX list of what the image installs
#   make docker-check                docker/ by hadolint and Docker Compose, which it installs; no engine
#   make docker-check IMAGE=firstpass:cpu     and that image, read-only, twice (ENGINE=podman)
#   make clean                       remove the environments
#
# PYTHON picks the interpreter (3.10 or later) that .venv is made with.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
TORCH_INDEX ?=
CONSTRAINTS ?=
PYTEST_ARGS ?=
TEST_PROCESSES ?= 2
ENGINE ?= docker
IMAGE ?=
FUZZ_MINUTES ?= 60
LABEL_STUDIO_VERSION ?= 1.23.2

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet \
  $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS))
# Stamps of their own, so that asking for CONSTRAINTS changes an environment made without.
RUNTIME := .venv/runtime$(if $(CONSTRAINTS),-constrained).stamp
DEV := .venv/dev$(if $(CONSTRAINTS),-constrained).stamp
LOCKS := docker/requirements.lock docker/requirements-cuda.lock
# A file's tests stay in one process, which starts the services they share once.
PYTEST := $(BIN)/python -m pytest $(if $(filter-out 1,$(TEST_PROCESSES)),-n $(TEST_PROCESSES) --dist loadfile)
BENCHMARKS := rle polygons text_cache serving crf

.PHONY: help serve test check check-newest check-python constraints format bench e2e fuzz ray browser soak \
  lock audit sbom docker-check doctor clean

help:
	@sed -n '2,/^$$/s/^# \{0,1\}//p' Makefile

serve: $(RUNTIME)
	@exec $(BIN)/python -m backend serve

doctor: $(RUNTIME)
	@$(BIN)/python -m backend doctor

test: $(DEV)
	$(PYTEST) $(PYTEST_ARGS)

check: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PYTEST) -rs $(PYTEST_ARGS)

# label-studio-sdk, which tests alone need, holds both back. Beside .venv, which stays as it is.
check-newest: $(DEV)
	@rm -rf .venv-newest
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps \
	  --target .venv-newest numpy opencv-python-headless
	PYTHONPATH=.venv-newest $(PYTEST) tests/backend/learning tests/backend/memory \
	  tests/backend/masks tests/model/memory $(PYTEST_ARGS)

check-python:
	@CONSTRAINTS="$(CONSTRAINTS)" TORCH_INDEX="$(TORCH_INDEX)" PYTEST_ARGS="$(PYTEST_ARGS)" \
	  scripts/check_python.sh

constraints:
	$(PYTHON) scripts/freeze_constraints.py .venv-py/3.*/ > constraints.txt.new
	mv constraints.txt.new constraints.txt

format: $(DEV)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(DEV)
	for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name; done

e2e: $(DEV) .venv/playwright.stamp .venv-ls/label-studio.stamp
	$(BIN)/python -m pytest -m e2e tests/e2e $(PYTEST_ARGS)

fuzz: $(DEV)
	$(BIN)/python -m tests.fuzz.run --minutes $(FUZZ_MINUTES)

ray: $(DEV) .venv/ray.stamp
	$(BIN)/python -m pytest -m ray tests/ray $(PYTEST_ARGS)

# Small disks need root, a moved clock and a lack of memory cc; without them these tests say that they skip.
soak: $(DEV)
	$(BIN)/python -m pytest -m soak tests/soak -rs $(PYTEST_ARGS)

.venv/playwright.stamp: requirements-browser.txt $(DEV)
	@echo "Installing requirements-browser.txt into .venv"
	@$(PIP) -r requirements-browser.txt
	@touch $@

.venv/ray.stamp: requirements-ray.txt $(RUNTIME)
	@echo "Installing requirements-ray.txt into .venv"
	@$(PIP) -r requirements-ray.txt
	@touch $@

browser: $(DEV) .venv-browser/playwright.stamp
	SERVER_PYTHON=$(BIN)/python .venv-browser/bin/python -m pytest --confcutdir=tests/browser -m browser tests/browser $(PYTEST_ARGS)

.venv-browser/playwright.stamp: requirements-browser.txt
	$(PYTHON) -m venv .venv-browser
	.venv-browser/bin/python -m pip install --quiet -r requirements-browser.txt
	@touch $@

SUPPLY := .venv-supply/bin

lock: .venv-supply/supply.stamp
	@$(PYTHON) scripts/lock_requirements.py $(SUPPLY)/uv

# --strict: what could not be looked up fails. --disable-pip: a lock has all there is, to be taken as it is.
audit: .venv-supply/supply.stamp
	@$(SUPPLY)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off \
	  $(foreach lock,$(LOCKS),-r $(lock)) \
	  || { code=$$?; echo "make audit: pip-audit found known faults, or could not reach its data (pypi.org):" \
	  "see above. Nothing was vouched for." >&2; exit $$code; }

sbom: .venv-supply/supply.stamp
	@mkdir -p build
	@cat $(LOCKS) | $(SUPPLY)/cyclonedx-py requirements --pyproject pyproject.toml \
	  --output-reproducible --output-file build/sbom.json -
	@echo "build/sbom.json: CycloneDX, $$(grep -c '"bom-ref"' build/sbom.json) components"

docker-check: $(DEV) .venv-supply/supply.stamp
	PATH="$$PWD/$(SUPPLY):$$PATH" ENGINE="$(ENGINE)" FIRSTPASS_IMAGE="$(IMAGE)" \
	  $(BIN)/python -m pytest -m docker -rs tests/docker $(PYTEST_ARGS)

.venv-supply/supply.stamp: requirements-supply.txt
	@echo "Installing requirements-supply.txt into .venv-supply"
	@$(PYTHON) -m venv .venv-supply
	@$(SUPPLY)/python -m pip install --quiet --disable-pip-version-check -r requirements-supply.txt
	@touch $@

.venv/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; \
	  other = "$(PYTHON) is %d.%d: name another one, as in make PYTHON=python3.12 serve" % v; \
	  v < (3, 10) and sys.exit("Firstpass needs Python 3.10 or later and " + other); \
	  v > (3, 13) and sys.stderr.write("Not tested with Python after 3.13. If anything fails: " + other + "\n")'
	@echo "Making .venv with $(PYTHON)"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
	  echo "$(PYTHON) -m venv failed: on Debian and Ubuntu, apt install python3-venv" >&2; exit 1; }

# --no-deps: PyTorch's indexes have only some versions of what PyTorch needs; the second line brings it.
$(RUNTIME): requirements.txt $(CONSTRAINTS) | .venv/bin/python
	@echo "Installing requirements.txt into .venv (PyTorch is large: about 2 minutes)"
	@if [ -n "$(TORCH_INDEX)" ]; then $(PIP) --no-deps torch torchvision --index-url "$(TORCH_INDEX)"; fi
	@$(PIP) -r requirements.txt
	@touch $@

$(DEV): requirements-dev.txt $(RUNTIME)
	@echo "Installing requirements-dev.txt into .venv"
	@$(PIP) -r requirements-dev.txt
	@touch $@

.venv-ls/label-studio.stamp:
	@echo "Installing label-studio $(LABEL_STUDIO_VERSION) into .venv-ls (1 GB, about 3 minutes)"
	$(PYTHON) -m venv .venv-ls
	.venv-ls/bin/python -m pip install --quiet label-studio==$(LABEL_STUDIO_VERSION)
	@touch $@

clean:
	rm -rf .venv .venv-ls .venv-browser .venv-supply .venv-newest .venv-py .pytest_cache .ruff_cache .mypy_cache .hypothesis
