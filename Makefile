# `make` alone lists the targets. Only Python >= 3.11 and make are needed: everything else is installed into .venv by hash.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo test check simulate faults oracle fuzz bench gen contracts contracts-accept browser clean run-env dev-env
export PYTHON

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
# Without a server first: they answer within a minute.
QUICK := $(wildcard tests/test_tidy.py tests/unit tests/contracts tests/conformance tests/sim)
SERVERS := $(wildcard tests/e2e tests/integration tests/conformance)
WORKERS ?= 2
# Tests on servers wait more than they compute.
SERVER_WORKERS ?= 3
ARGS ?=

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run-env:
	@tools/bootstrap.sh run

dev-env:
	@tools/bootstrap.sh dev

setup: dev-env ## create .venv with everything that tests and checks need

demo: run-env ## start the whole network on this machine and answer the ten questions (ONCE=1, JSON=FILE, FRESH=1)
	@exec $(BIN)/passerelle demo $(if $(ONCE),--once) $(if $(JSON),--json "$(JSON)") $(if $(FRESH),--fresh)

test: dev-env ## all tests: first those without a server, then on a real Kafka and PostgreSQL (ARGS= for pytest, WORKERS=2 SERVER_WORKERS=3)
	@echo "== tests without a server: $(QUICK)"
	@$(PYTEST) -n $(WORKERS) -m "not browser and not integration and not e2e" $(QUICK) $(ARGS)
	@echo "== tests on a real Kafka and PostgreSQL, each worker with its own: $(SERVERS)"
	@$(PYTEST) -n $(SERVER_WORKERS) --dist loadfile -m "not browser and (integration or e2e)" $(SERVERS) $(ARGS)

check: dev-env ## lint, types, import direction, protos, generated code, contracts, compose file, tidiness
	@tools/check.sh

simulate: dev-env ## play the whole network in virtual time, with faults (SEEDS=100000, ARGS= for more)
	@$(BIN)/passerelle simulate --seeds $(or $(SEEDS),2000) $(ARGS)

faults: dev-env ## break a whole network on a real Kafka and PostgreSQL, round after round (N=100, ARGS= for more)
	@$(BIN)/passerelle faults --rounds $(or $(N),100) $(ARGS)

oracle: dev-env ## hold the equivalency evaluator against a slow one on random rules and transcripts (N=100000)
	@$(BIN)/python -m passerelle.testing.oracle --cases $(or $(N),100000) $(ARGS)

fuzz: dev-env ## feed every parser damaged input, guided by coverage (SECONDS=60; Linux on x86-64, Python below 3.14)
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60) $(ARGS)

bench: dev-env ## measure ingest against its ceilings and peers; results in bench/results
	@$(BIN)/python -m bench $(ARGS)

gen: dev-env ## make services/passerelle/api from protos
	@$(BIN)/python tools/gen.py

contracts: dev-env ## write contracts/ from the event models
	@$(BIN)/python -m passerelle.events.export

contracts-accept: dev-env contracts ## take today's contracts as the baseline for breaking changes
	@mkdir -p contracts/baseline
	@$(BIN)/buf build -o contracts/baseline/protos.binpb
	@rm -rf contracts/baseline/schemas && cp -R contracts/schemas contracts/baseline/schemas
	@rm -rf contracts/baseline/topics && if [ -d contracts/topics ]; then cp -R contracts/topics contracts/baseline/topics; fi
	@echo "contracts/baseline is renewed: commit it"

browser: dev-env ## walk the portal in a real Chromium
	@$(PYTEST) -m browser tests $(ARGS)

clean: ## remove caches, the demo's data and .venv
	rm -rf .venv .passerelle .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist build test-results
	find services tests bench tools -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
