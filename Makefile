# Two commands on a fresh machine: make demo, make test. Each makes .venv by itself.
# PYTHON=/path/to/python3.11 names another interpreter, VENV=folder another place.
SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
DOCS := $(VENV)/.docs-ready
PAGE := $(VENV)/.page-ready
PYTHON ?= $(shell for p in python3.11 python3.12 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info[:2] not in [(3, 11), (3, 12)])' 2>/dev/null \
	&& echo $$p && break; done)
export OMP_NUM_THREADS ?= 1
export PYTHONWARNINGS ?= ignore

.PHONY: demo test lint docs fuzz kills dist clean setup
.DEFAULT_GOAL := demo

demo: $(STAMP)  ## the main job on a generated corpus, to a table of metrics
	$(BIN)/python -m examples.demo --out demo_output

test: $(PAGE)  ## all tests, one process a core, a file's in one; the page's where chromium is
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

fuzz: $(STAMP)  ## 20,000 changed files, each read rightly or refused
	PYTHONPATH=.:tests $(BIN)/python tests/fuzz --cases 20000

kills: $(STAMP)  ## 100 kill -9 and 20 races of two writers, each compared with an undisturbed run
	PYTHONPATH=.:tests $(BIN)/python tests/fuzz/kills.py

lint: $(STAMP)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(DOCS)  ## the book, in site/; the tests of the book and of the notebooks run where this was run
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

dist: $(STAMP)  ## wheel and sdist in dist/, as twine would hand them to a registry
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		-e '.[release]'
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*

setup: $(STAMP)  ## only .venv

clean:
	rm -rf $(VENV) demo_output site dist

# A PYTHON that was named is looked at although .venv is there already.
define CHECK_PYTHON
@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info[:2] not in [(3, 11), (3, 12)])' \
	2>/dev/null || { echo "error: set-up needs Python 3.11 or 3.12, found" \
	"$$($(or $(PYTHON),python3) --version 2>&1 | grep ^Python || echo none); name one with" \
	"PYTHON=/path/to/python3.11" >&2; exit 1; }
endef
VERSION = -c 'import sys; print("%d.%d" % sys.version_info[:2])'

ifneq ($(filter command environment,$(firstword $(origin PYTHON))),)
demo test lint docs fuzz kills dist setup: fit
endif
.PHONY: fit
fit:
	$(CHECK_PYTHON)
	@[ ! -e $(STAMP) ] || [ "$$($(PYTHON) $(VERSION))" = "$$($(BIN)/python $(VERSION))" ] || \
		{ echo "error: $(VENV) has Python $$($(BIN)/python $(VERSION)), and PYTHON is" \
		"$$($(PYTHON) $(VERSION)); make clean, or name another VENV" >&2; exit 1; }

# ve-fairseq is pinned by hash, since its publisher is unknown; pip checks hashes for all of a
# file or for none, so it has a file of its own.
$(STAMP): setup.py constraints.txt requirements-fairseq.txt
	$(CHECK_PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		-r requirements-fairseq.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		-e '.[test,lint]'
	touch $@

$(DOCS): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $@

$(PAGE): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		-e '.[page,browser]'
	touch $@
