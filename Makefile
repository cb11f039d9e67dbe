# One command for each thing a user or a developer does. `make` alone lists them.
#
# Only Python 3.11 or newer, make and a registry for Python packages are assumed; everything is
# installed into .venv/, from requirement files whose every line carries hashes.

PYTHON    ?= python3
SPEC      ?= specs/quickstart.yaml
RUNTIME   ?= auto
PYTEST    ?=
MODULES   ?=
BENCH_ARGS ?=
LOCK_ARGS ?=

REQUIREMENTS := runner/requirements
PEERS        := benchmarks/client/peers
# Wheels of them that are not what torch's CPU build needs, and that nothing here uses: the index has
# their CUDA builds, whose libraries are missing.
LEFT_OUT     := torchvision torchaudio torchcodec
IMAGE_LOCKS  := $(patsubst %.in,%.txt,$(wildcard images/*/requirements.in images/*/*/requirements-*.in))

# -qq silences pip's warnings about the site's own index settings; its errors still show.
PIP_INSTALL := .venv/bin/python -m pip install -qq --disable-pip-version-check --no-input
PIP_LOCKED  := $(PIP_INSTALL) --require-hashes --only-binary :all:
COMPILE      = .venv/bin/uv pip compile --quiet --generate-hashes --universal \
	--python-version 3.11 --no-header --no-emit-index-url --no-annotate \
	--only-binary :all: --unsafe-package none $(LOCK_ARGS)

# For what runs on one platform only. torch's CPU build is not in every index, so UV_FIND_LINKS may
# have to name a folder with its wheel.
COMPILE_LINUX = $(filter-out --universal,$(COMPILE)) --python-platform x86_64-manylinux_2_36 \
	$(addprefix --no-emit-package ,$(LEFT_OUT))

.DEFAULT_GOAL := help
.PHONY: help setup run test test-services verify-artifacts mutate images lint bench-client \
	bench-verify locks bench-locks ci-tools clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' Makefile

setup: .venv/.setup ## make .venv/ with specseal in it

run: .venv/.setup ## run SPEC=specs/quickstart.yaml with RUNTIME=auto|docker|native
	@.venv/bin/specseal run $(SPEC) --runtime $(RUNTIME)

test: .venv/.dev ## run all tests but the slow ones; PYTEST=... adds arguments
	@.venv/bin/pytest -n logical --maxprocesses 4 --dist loadfile $(PYTEST)

test-services: .venv/.dev ## run the slow tests, which need services; a missing one fails them
	@SPECSEAL_REQUIRE_SERVICES=1 .venv/bin/pytest -m slow $(PYTEST)

verify-artifacts: .venv/.setup ## verify every reference bundle by the keys here, and hold the index to them
	@.venv/bin/specseal index artifacts/reference --keys artifacts/trusted_keys \
		--check artifacts/index.json

mutate: .venv/.dev .venv/.ci ## change the verifier, one thing at a time; MODULES="manifest strict"
	@.ci/mutate $(MODULES)

images: .venv/.setup ## build every image that this machine can, for the specs of specs/cpu
	@failed=; for spec in specs/quickstart.yaml specs/cpu/*.yaml; do \
	.venv/bin/specseal build "$$spec" --runtime docker || failed="$$failed $$spec"; done; \
	[ -z "$$failed" ] || { echo "not built:$$failed" >&2; exit 1; }

lint: .venv/.dev ## check style, types and the layers
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy
	@.venv/bin/lint-imports

bench-client: .venv/.dev ## hold load generators against a known truth; BENCH_ARGS=--write notes it
	@PYTHONPATH=tests .venv/bin/python -m benchmarks.client $(BENCH_ARGS)

bench-verify: .venv/.dev ## time `verify` of 100,000 requests of 100 chunks, and its memory
	@PYTHONPATH=tests .venv/bin/python -m benchmarks.verify $(BENCH_ARGS)

locks: .venv/.ci ## bring the requirement files up to date; LOCK_ARGS=--upgrade moves the pins
	@$(COMPILE) pyproject.toml $(REQUIREMENTS)/build.in -o $(REQUIREMENTS)/base.txt
	@$(COMPILE) pyproject.toml --extra hf -c $(REQUIREMENTS)/base.txt -o $(REQUIREMENTS)/hf.txt
	@$(COMPILE) pyproject.toml --extra speed-bench -c $(REQUIREMENTS)/base.txt \
		-o $(REQUIREMENTS)/speed-bench.txt
	@$(COMPILE) $(REQUIREMENTS)/dev.in -c $(REQUIREMENTS)/base.txt -o $(REQUIREMENTS)/dev.txt
	@$(COMPILE) $(REQUIREMENTS)/crate.in -o $(REQUIREMENTS)/crate.txt
	@$(COMPILE) $(REQUIREMENTS)/ci.in -c $(REQUIREMENTS)/dev.txt -c $(REQUIREMENTS)/base.txt \
		-o $(REQUIREMENTS)/ci.txt
	@$(foreach lock,$(IMAGE_LOCKS),$(COMPILE_LINUX) $(lock:.txt=.in) -o $(lock) &&) :

bench-locks: .venv/.ci ## bring the requirement files of the benchmark's peers up to date
	@$(foreach peer,aiperf vllm,$(COMPILE_LINUX) $(PEERS)/$(peer).in -o $(PEERS)/$(peer).txt &&) :

ci-tools: .venv/.ci

clean: ## remove .venv/, caches and build output; results in artifacts/ stay
	@rm -rf .venv dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv/.setup: $(REQUIREMENTS)/base.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo \
	"specseal needs Python 3.11 or newer and $(PYTHON) is not: make PYTHON=python3.11 $(MAKECMDGOALS)" \
	>&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo \
	"$(PYTHON) can't make virtual environments: install its venv module (Debian: python3-venv)" \
	>&2; exit 1; }
	@echo "setting up .venv/ (once)"
	@$(PYTHON) -m venv .venv
	@$(PIP_LOCKED) -r $(REQUIREMENTS)/base.txt
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: $(REQUIREMENTS)/dev.txt .venv/.setup
	@echo "installing what tests and lint need"
	@$(PIP_LOCKED) -r $(REQUIREMENTS)/dev.txt
	@touch $@

.venv/.ci: $(REQUIREMENTS)/ci.txt .venv/.setup
	@$(PIP_LOCKED) -r $(REQUIREMENTS)/ci.txt
	@touch $@
