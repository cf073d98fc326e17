# From a bare machine: `make demo` and `make test` set themselves up in .venv. Needs Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Two for each core: tests wait for processes half of their time. Threads of numerical libraries in each would wait
# for each other.
WORKERS := $(shell echo $$((2 * $$(nproc))))
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
OTHER_TIERS := acceptance or builds or engines or crashes or faults or frameworks
# All in these folders is of other tiers, and takes seconds to import.
OTHER_FOLDERS := --ignore=tests/acceptance --ignore=tests/faults
# Every process that a test starts would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE
PIP_INSTALL := install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: setup test builds crashes engines faults soak lint check docs demo acceptance frameworks bench bench-data bench-algorithms bench-tuning bench-tuning-peers clean help

help:            ## list the targets
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/: .*## / - /'

setup: $(VENV)/ready          ## make .venv with Wildsage and the tools of its developers

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip $(PIP_INSTALL) --editable '.[all]' $$(sed -n '/^dev = \[/,/^\]/s/^  "\([^"]*\)",.*/\1/p' pyproject.toml)
	touch $@

test: setup      ## the tests (under five minutes)
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not ($(OTHER_TIERS))" $(OTHER_FOLDERS) $(ARGS)

builds: setup    ## packages that jobs install, layers and kernels that are built
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m builds $(OTHER_FOLDERS) tests $(ARGS)

crashes: setup   ## the quick form of the fault tests: processes killed, disks full (some minutes)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m crashes tests $(ARGS)

engines: setup   ## jobs and endpoints of images that podman or docker has
	$(BIN)/python -m pytest -n auto -m "engines and not faults" tests $(ARGS)

faults: setup    ## the slow fault tests: processes killed at every step
	$(BIN)/python -m pytest -n 2 -m faults tests $(ARGS)

soak: setup      ## half an hour of clients, and kills of workers, supervisors and the server
	$(BIN)/python -m tests.faults.soak $(ARGS)

lint: setup      ## style, types, direction of imports, generated documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/wildsage coverage --check docs/operations.md
	$(BIN)/wildsage images table --check docs/environments.md
	$(BIN)/wildsage algorithms pages --check docs/algorithms

docs: setup      ## write the generated documents
	$(BIN)/wildsage coverage --write docs/operations.md
	$(BIN)/python -m tests.algorithms.content_types docs/content-types.md
	$(BIN)/wildsage images table --write docs/environments.md
	$(BIN)/wildsage algorithms pages --write docs/algorithms

demo: setup      ## run the main job on real data and show the result
	$(BIN)/wildsage demo

CLIENTS := sdk2 sdk3 boto3-old notebook
acceptance: setup $(CLIENTS:%=$(VENV)-%/ready)   ## unmodified clients against a live server
	WILDSAGE_SDK2_PYTHON=$(VENV)-sdk2/bin/python WILDSAGE_SDK3_PYTHON=$(VENV)-sdk3/bin/python \
	WILDSAGE_BOTO3_OLD_PYTHON=$(VENV)-boto3-old/bin/python WILDSAGE_NOTEBOOK_PYTHON=$(VENV)-notebook/bin/python \
	$(BIN)/python -m pytest -n 4 -m acceptance tests/acceptance $(ARGS)

frameworks: setup $(VENV)-sdk2/ready   ## scripts of Hugging Face and TensorFlow; their environments take some GB
	WILDSAGE_SDK2_PYTHON=$(VENV)-sdk2/bin/python $(BIN)/python -m pytest -m frameworks tests/acceptance $(ARGS)

$(VENV)-peers/ready: benchmarks/peers.txt
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

$(VENV)-%/ready: tests/acceptance/%.txt
	$(PYTHON) -m venv $(VENV)-$*
	$(VENV)-$*/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

bench: setup $(VENV)-peers/ready     ## the figures of docs/performance.md, its peers beside them
	WILDSAGE_PEERS=$(VENV)-peers $(BIN)/python -m benchmarks $(ARGS)

$(VENV)-data-peers/ready: benchmarks/data_peers.txt tests/acceptance/sdk2.txt
	$(PYTHON) -m venv $(VENV)-data-peers
	$(VENV)-data-peers/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

bench-data: setup $(VENV)-data-peers/ready   ## reading and writing data, beside the SDK and the CSV readers; input modes
	WILDSAGE_DATA_PEERS=$(VENV)-data-peers $(BIN)/python -m benchmarks.data $(ARGS)
	$(BIN)/python -m benchmarks input-modes $(ARGS)

$(VENV)-algorithm-peers/ready: pyproject.toml benchmarks/algorithms/peers.txt
	$(PYTHON) -m venv $(VENV)-algorithm-peers
	$(VENV)-algorithm-peers/bin/python -m pip $(PIP_INSTALL) --editable '.[all]' -r benchmarks/algorithms/peers.txt
	$(VENV)-algorithm-peers/bin/python -m pip $(PIP_INSTALL) --no-deps recbole
	-$(VENV)-algorithm-peers/bin/python -m pip $(PIP_INSTALL) xlearn==0.40a1
	touch $@

bench-algorithms: $(VENV)-algorithm-peers/ready   ## the built-in algorithms beside their open peers
	$(VENV)-algorithm-peers/bin/python -m benchmarks.algorithms $(ARGS)

bench-tuning: setup   ## tuning jobs: regret, time of a point, epochs of Hyperband, cost of a trial
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.tuning $(ARGS)

$(VENV)-tuning-peers/ready: pyproject.toml benchmarks/tuning/peers.txt
	$(PYTHON) -m venv $(VENV)-tuning-peers
	$(VENV)-tuning-peers/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[tuning,xgboost]' -r benchmarks/tuning/peers.txt
	touch $@

bench-tuning-peers: $(VENV)-tuning-peers/ready   ## write anew what Optuna finds on the same functions; a quarter of an hour
	OMP_NUM_THREADS=1 $(VENV)-tuning-peers/bin/python -m benchmarks.tuning.peers TPESampler $(ARGS)
	OMP_NUM_THREADS=1 $(VENV)-tuning-peers/bin/python -m benchmarks.tuning.peers GPSampler $(ARGS)

clean:           ## remove what the targets made
	rm -rf $(VENV) $(CLIENTS:%=$(VENV)-%) $(VENV)-peers $(VENV)-data-peers $(VENV)-algorithm-peers $(VENV)-tuning-peers dist demo-output
