# Two commands do all set-up: `make run` and `make test`. Both need only python3 (with venv) and make.
# Debian's own python3 where it serves, since it is built for speed; else whatever python3 is.
PYTHON ?= $(shell /usr/bin/python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo /usr/bin/python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check format bench bench-machine bench-scale bench-storm bench-replicas bench-journal bench-replay bench-live browser screenshots lock clean

run: $(VENV)/.installed
	@exec $(BIN)/pointsman demo

test: $(VENV)/.installed-dev browser
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --dist loadfile

check: test

# Chromium and axe-core for the dashboard's tests; without them those tests say that they did not run.
browser:
	@sh tests/page/browser.sh

screenshots: $(VENV)/.installed-dev browser
	$(BIN)/python -m tests.page.screenshots

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed
	$(BIN)/python bench/run.py

bench-machine: $(VENV)/.installed
	$(BIN)/python bench/machine.py

bench-scale: $(VENV)/.installed
	$(BIN)/python bench/scale.py

bench-storm: $(VENV)/.installed
	$(BIN)/python bench/storm.py

bench-replicas: $(VENV)/.installed-dev
	$(BIN)/python bench/replicas.py

bench-live: $(VENV)/.installed
	$(BIN)/python bench/live.py

bench-journal: $(VENV)/.installed
	$(BIN)/python bench/journal.py

bench-replay: $(VENV)/.installed
	PYTHONPATH=. $(BIN)/python bench/replay.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python requirements.txt pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

# Rewrites both lock files; they name no package index.
lock: $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check pip-tools
	$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url --no-emit-find-links \
		--no-emit-trusted-host --no-header --extra build --output-file requirements.txt pyproject.toml
	$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url --no-emit-find-links \
		--no-emit-trusted-host --no-header --extra build --extra dev --output-file requirements-dev.txt pyproject.toml

clean:
	rm -rf $(VENV) demo-state
