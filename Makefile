# Everything runs in .venv, made on first use from constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
CONSTRAINTS ?= constraints.txt

.PHONY: demo test check docs clean

.venv/ready: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) torch
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable . --group dev
	touch $@

demo: .venv/ready
	$(BIN)/interplay demo --output interplay-demo

# Small networks and tables: one thread each, two processes.
test: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not bench" -n 2

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/ready
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --group docs
	$(BIN)/sphinx-build -W --keep-going docs docs/_build/html

clean:
	rm -rf .venv docs/_build interplay-demo
