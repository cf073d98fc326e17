# From a bare machine: `make demo` and `make test` set themselves up in .venv. Needs Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: setup test faults soak lint check docs demo acceptance bench bench-data clean help

help:            ## list the targets
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/: .*## / - /'

setup: $(VENV)/ready          ## make .venv with Wildsage and the tools of its developers

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip $(PIP_INSTALL) --editable '.[all]' $$(sed -n '/^dev = \[/,/^\]/s/^  "\([^"]*\)",.*/\1/p' pyproject.toml)
	touch $@

test: setup      ## the tests (under five minutes)
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not acceptance and not faults" $(ARGS)

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

docs: setup      ## write the generated documents
	$(BIN)/wildsage coverage --write docs/operations.md

demo: setup      ## run the main job on real data and show the result
	$(BIN)/wildsage demo

CLIENTS := sdk2 sdk3 boto3-old notebook
acceptance: setup $(CLIENTS:%=$(VENV)-%/ready)   ## unmodified clients against a live server
	WILDSAGE_SDK2_PYTHON=$(VENV)-sdk2/bin/python WILDSAGE_SDK3_PYTHON=$(VENV)-sdk3/bin/python \
	WILDSAGE_BOTO3_OLD_PYTHON=$(VENV)-boto3-old/bin/python WILDSAGE_NOTEBOOK_PYTHON=$(VENV)-notebook/bin/python \
	$(BIN)/python -m pytest -n 4 -m acceptance tests/acceptance $(ARGS)

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

clean:           ## remove what the targets made
	rm -rf $(VENV) $(CLIENTS:%=$(VENV)-%) $(VENV)-peers $(VENV)-data-peers dist demo-output
