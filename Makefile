# One command for each habit, the same at home and in CI.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo-output
# One more than there are cores: some tests wait for processes and clocks.
WORKERS = $(shell $(BIN)/python -c "import os; print((os.cpu_count() or 1) + 1)")
# Bytecode is kept: tests start many programs, each of which would compile everything again.
PYTEST = PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

.PHONY: demo test test-fast lint format bench docs editor editor-check e2e lock clean

demo: $(VENV)/.runtime  ## make a video from a prompt, with no GPU and no download
	$(BIN)/graphflow run text_to_video \
		--set prompt="a red ball moving to the right on a black background" \
		--seed 7 --set upscale=4 --out $(DEMO) --data-dir $(DEMO)/data
	@echo
	@echo "Now change it in the browser:  $(BIN)/graphflow serve"

test: $(VENV)/.dev  ## every test, on every core
	$(PYTEST)

test-fast: $(VENV)/.dev  ## without the slow ones
	$(PYTEST) -m "not slow"

lint: $(VENV)/.dev  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy graphflow nodes

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev  ## the figures of the README
	$(BIN)/python -m benchmarks

docs: $(VENV)/.runtime  ## the generated pages
	$(BIN)/python docs/generate.py

editor: editor/node_modules  ## build the web editor into the package
	cd editor && npm run build

editor-check: editor/node_modules  ## its types, its tests, and whether the committed build is the one of the source
	cd editor && npm test && npm run build
	git diff --exit-code -- graphflow/server/static
	test -z "$$(git status --porcelain -- graphflow/server/static)"

e2e: $(VENV)/.runtime editor/node_modules  ## people's ways through the committed editor, in a real Chromium
	cd editor && npm run --silent e2e

editor/node_modules: editor/package-lock.json
	cd editor && npm ci
	touch $@

lock:  ## exact versions, from a fresh environment
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install -q .
	build/lock/bin/pip freeze --exclude graphflow | sed 's/+cpu$$//' > requirements.lock
	build/lock/bin/pip install -q '.[dev]'
	build/lock/bin/pip freeze --exclude graphflow | sed 's/+cpu$$//' > requirements-dev.lock

clean:
	rm -rf build $(DEMO) *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q -r requirements.lock
	$(BIN)/python -m pip install -q --no-deps -e .
	touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	$(BIN)/python -m pip install -q -r requirements-dev.lock
	touch $@
