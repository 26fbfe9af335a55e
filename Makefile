# make demo: from recorded replies to a leaderboard and a report
# make test: every check and test but the slow ones; make test-all: those too
# Needs make, and Python 3.11 or newer with venv: apt-get install make python3-venv

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt

# What is asked for by name comes first: make PYTHON=python3.12
PYTHON ?=
CANDIDATES := $(PYTHON) python3 python3.13 python3.12 python3.11 python3.14
USABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

.PHONY: help install install-dev demo lint types layers spelling unit test slow test-all clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

$(BIN)/python $(BIN)/pip &:
	@for python in $(CANDIDATES); do \
		if $$python -c '$(USABLE)' 2>/dev/null; then exec $$python -m venv --clear $(VENV); fi; \
	done; \
	echo 'no Python 3.11 or newer with venv is here: apt-get install python3-venv, or make PYTHON=...' >&2; exit 4

$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python $(BIN)/pip
	$(INSTALL) --editable '.[eval]'
	@touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(BIN)/python $(BIN)/pip
	$(INSTALL) --editable '.[eval,dev]'
	@touch $(VENV)/installed $@

install: $(VENV)/installed
install-dev: $(VENV)/installed-dev

demo: install
	@bash examples/demo.sh $(BIN)/kernel-harness

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install-dev
	$(BIN)/mypy

layers: install-dev
	$(BIN)/lint-imports

spelling: install-dev
	$(BIN)/codespell

# Files stay whole, so that what a module shares is made once; on a GPU tests would disturb each other.
SEVERAL := --numprocesses auto --maxprocesses 4 --dist loadfile

unit: install-dev
	$(BIN)/python -m pytest $(SEVERAL) -m 'not slow and not gpu'

slow: install-dev
	$(BIN)/python -m pytest $(SEVERAL) -m 'slow and not gpu'
	$(BIN)/python -m pytest -m gpu

test: lint types layers spelling unit

test-all: test slow

clean:
	rm -rf $(VENV) demo build dist
