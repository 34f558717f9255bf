# Three commands: make demo, make test, make soak. Each makes .venv and builds the kernels when needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
KERNELS := $(wildcard ext/*.pyx ext/*.pxd ext/*.h)
WORKERS ?= 2

.PHONY: demo test soak lint clean

$(VENV)/.installed: pyproject.toml setup.py $(KERNELS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip "setuptools>=77"
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	touch $@

demo: $(VENV)/.installed
	$(BIN)/sharedsky demo

test: $(VENV)/.installed lint
	$(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --dist loadgroup -q

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

soak: $(VENV)/.installed
	$(BIN)/python -m pytest -m slow

clean:
	rm -rf $(VENV) build *.egg-info
	find ext -name '*.c' -delete -o -name '*.so' -delete
