# Two commands matter: `make demo` and `make test`. Both bring up what they need; see `make help`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CACHE := $(or $(SLIPWAY_CACHE),$(HOME)/.cache/slipway)
# One environment for each checkout, made anew when the packages change.
short = $(shell $(1) | sha256sum | cut -c1-8)
VENV := $(CACHE)/venvs/$(call short,pwd)-$(call short,cat pyproject.toml constraints.txt)
READY := $(VENV)/complete
PYTHON := $(VENV)/bin/python
TESTBED := $(PYTHON) -m testbed
# More arguments for pytest, e.g. PYTEST='-k gpu -x'
PYTEST ?=
# Tests of parts, stories on plain control planes, and stories on a cluster, at once: they wait more than they work.
WORKERS ?= 4
PLANES ?= 3
STORIES ?= 3
# What `make bench` measures: scale, catalogue, fetch, gateway or staircase.
BENCH ?= scale

export PATH := $(VENV)/bin:$(PATH)
# ONNX Runtime else tells its maker what runs, and when.
export ORT_DISABLE_TELEMETRY := 1
# Some images set it. Each operator that a test starts would compile all of itself, and each worker all tests.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo demo-canary demo-update test lint unit plane explore fuzz e2e story-cluster stories keda bench tools images release up down stop clean crds docs pictures

help: ## What there is
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/\1\t\2/' | expand -t 13

demo: $(READY) ## Train a model, serve it on a real cluster, ask it; roll to a better one; refuse a wrong one (USE_CLUSTER=yes KUBECONFIG=… REGISTRY=… for one of yours)
	@$(TESTBED) demo

demo-canary: $(READY) ## A better model gets 10, 50 and 100 % of live requests through a real gateway; one that drifted is sent home at 10 %
	@$(TESTBED) demo-canary

demo-update: $(READY) ## New data trains, gates, signs and publishes a version that takes over by a canary; a bad month is refused
	@$(TESTBED) demo-update

test: $(READY) ## Everything: lint, types, layers, tests, stories on a plain control plane and on a real cluster
	@$(TESTBED) stages $(if $(filter yes,$(KEEP)),--keep)

lint: $(READY) ## Style, types and the layers' rules
	ruff check .
	ruff format --check .
	mypy
	lint-imports

unit: $(READY) ## Tests of each part by itself, without a cluster
	@pytest tests --ignore=tests/stories --numprocesses=$(WORKERS) --no-loadscope-reorder --durations=25 $(PYTEST)

plane: $(READY) ## Stories of the operator on a real control plane whose pods only pretend, without a cluster
	@pytest tests/stories --numprocesses=$(PLANES) --no-loadscope-reorder --durations=25 $(PYTEST)

explore: $(READY) ## Tear at the core for MINUTES (60) on examples that nobody has seen
	@$(PYTHON) -m tests.core.cluster.explore $(or $(MINUTES),60)

fuzz: $(READY) ## Spoil what tenants, bundles, stores and servers may write, for MINUTES (10), and print throughput and finds
	@$(PYTHON) -m tests.fuzz $(or $(MINUTES),10)

e2e: $(READY) ## Stories on a real cluster, which is left for a look (`make down` takes it away)
	@$(MAKE) story-cluster
	@$(MAKE) stories

story-cluster: $(READY)
	@$(TESTBED) story-tools
	@$(TESTBED) up --name slipway-e2e

stories: $(READY)
	@pytest e2e -m 'not keda' --verbose -rs --numprocesses=$(STORIES) --durations=25 $(PYTEST)

keda: $(READY) ## A real KEDA scales a real model on its own load (it builds KEDA first: an hour of one core)
	@$(TESTBED) story-tools --keda
	@$(TESTBED) up --name slipway-e2e
	@pytest e2e -m keda --verbose $(PYTEST)

bench: $(READY) ## Time, calls, CPU and memory at 100 and 1,000 models (BENCH=catalogue: one of 20,000 versions; BENCH=fetch: a bundle from S3, encrypted, from a registry; BENCH=gateway: latency that a gateway adds; BENCH=staircase: scalers under a load that goes up and down)
	@$(PYTHON) -m bench.$(BENCH)

tools: $(READY) ## Build the programs that tests and demo run
	@$(TESTBED) tools

images: $(READY) ## Build the images and print their sizes
	@$(TESTBED) images

release: $(READY) ## Images, charts, SBOMs and signatures of this version in REGISTRY=HOST:PORT[/PATH], signed by KEY=…, and files to publish at ADDRESS=https://… (docs/release.md)
	@$(TESTBED) release --registry='$(REGISTRY)' --key='$(KEY)' --address='$(ADDRESS)'

up: $(READY) ## A cluster with Slipway, an S3 server and metrics
	@$(TESTBED) up

down: $(READY) ## Delete the clusters that were made here
	@$(TESTBED) down

stop: ## `down`, and stop the container engine if it was started here
	@[[ ! -e $(READY) ]] || $(TESTBED) down --with-engine

pictures: $(READY) ## The docs' pictures of the console, made by its tests
	@SLIPWAY_PICTURES=docs/images pytest -q tests/console/test_browser.py tests/console/test_browser_trying.py -k 'wider and 1200 and light'
	@cd docs/images && rm -f console-market-1200-light.png console-market-churn-4-1200-light.png

docs: $(READY) ## The pages as a site, in build/docs
	@sphinx-build -q -W --keep-going -b html -c docs/site . build/docs
	@echo "build/docs/docs/site/index.html"

crds: $(READY) ## What is made from the code: the CRDs, their copies in the chart, the field references, the tables of reasons
	@for kind in modeldeployments registeredmodels modelversions; do \
	  $(PYTHON) -m slipway.api.crd $$kind > crds/serving.slipway.dev_$$kind.yaml; done
	@cp crds/*.yaml charts/slipway-crds/files/
	@$(PYTHON) -m slipway.api.reference > docs/api.md
	@$(PYTHON) -m slipway.api.reference catalogue > docs/api-catalogue.md
	@$(PYTHON) -m slipway.core.reference docs/operations.md

clean: ## Take away all that was made here (CACHE_TOO=yes: the built programs as well)
	@[[ ! -e $(READY) ]] || $(TESTBED) clean $(if $(filter yes,$(CACHE_TOO)),--with-cache)
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist operator/*.egg-info

$(READY):
	@testbed/venv $(VENV)
