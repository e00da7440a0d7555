# Everything runs in a virtual environment of its own. Variables to change on the command line:
#   PYTHON  the interpreter that makes the environment (3.11 or later)
#   VENV    where it is; point it at an environment of yours to use that one, torch included
#   WORKERS how many processes run the tests, with one thread each
#   PYTEST  more options of pytest
#   TORCH   what pip installs when the environment has no torch. From PyPI, Linux gets a build with CUDA; for the CPU
#           build alone: make TORCH="torch --index-url https://download.pytorch.org/whl/cpu" ...
PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
WORKERS ?= 2
PYTEST ?=

BIN := $(VENV)/bin
RESULTS := model_cards/results
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
READY := $(VENV)/.fastast_hf-is-installed

.PHONY: setup demo space screenshot test conformance evidence growth commands archive int8 faults odd-sounds figures audit lint check fix render clean

setup: $(READY)  ## Install the package and its tools

$(READY): setup.cfg pyproject.toml
	$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade pip
	$(BIN)/python -c "import torch" 2> /dev/null || $(PIP) install $(TORCH)
	$(PIP) install --editable ".[dev]"
	touch $@

demo: $(READY)  ## The main job on generated sounds: train, distil, measure, save, load back
	$(BIN)/python examples/demo.py

test: $(READY)  ## All tests and doctests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --doctest-modules $(PYTEST) tests fastast_hf

conformance: $(READY)  ## transformers' own model tests, fetched for the installed version, on FastAST beside stock AST
	$(BIN)/python -m tests.conformance.fetch
	$(BIN)/python -m pytest tests/conformance

space: $(READY)  ## The web demo, on http://127.0.0.1:7860
	$(BIN)/python examples/space/app.py

screenshot: $(READY)  ## The README's picture of the web demo, taken by a Chromium without a screen
	$(BIN)/python -m model_cards.screenshot

evidence: $(READY)  ## Everything behind the tables, about ten hours on two cores; what is done is not done again
	$(BIN)/python -m model_cards.evidence

growth: $(READY)  ## How time and memory grow with length, batch and model, some minutes on a machine that does nothing else
	$(BIN)/python -m model_cards.growth

commands: $(READY)  ## What the README's commands print, on a machine that does nothing else
	$(BIN)/python -m model_cards.commands

archive: $(READY)  ## Ten thousand sounds, two processes: how long it takes, on a machine that does nothing else
	$(BIN)/python -m model_cards.archive

int8: $(READY)  ## What int8 costs and saves the small model, on a machine that does nothing else
	$(BIN)/python -m model_cards.int8

faults: $(READY)  ## Kill, fill, cut and break, fifty times and more; count what survives
	$(BIN)/python -m tests.faults --output $(RESULTS)/faults.json

odd-sounds: $(READY)  ## Seven hundred broken and odd sound files through every door; count the answers
	$(BIN)/python -m tests.odd_sounds --output $(RESULTS)/odd-sounds.json

figures: $(READY)  ## The figures of ARCHITECTURE.md: tests, faults and odd sounds, forty minutes on two cores
	$(MAKE) test PYTEST=--junitxml=$(VENV)/tests.xml
	$(BIN)/python -m tests.counting $(VENV)/tests.xml --output $(RESULTS)/tests.json
	$(MAKE) faults odd-sounds render

audit: $(READY)  ## Known flaws of what is installed, by pip-audit; says so where nobody can be asked
	$(BIN)/python .ci/audit.py

lint: $(READY)  ## Format, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test  ## What a change must pass; the tests also hold the rendered numbers to their results files

fix: $(READY)  ## Repair format and style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

render: $(READY)  ## Write the numbers of model_cards/results into the pages that show them
	$(BIN)/python model_cards/render.py

clean:  ## Remove the environment that `make` made and all caches; what was trained stays in runs/
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
