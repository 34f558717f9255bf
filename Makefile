# make demo, make test, make soak: each makes .venv and builds the kernels when needed, asks nothing, needs
# no root. Once .venv is made they need no network.
PYTHON ?= python3
WORKERS ?= 2
BIN := .venv/bin
KERNELS := setup.py $(wildcard ext/*.pyx ext/*.pxd ext/*.h)
STUBBED := $(subst /,.,$(basename $(wildcard ext/*.pyi)))

.PHONY: demo test integration soak lint gallery clean

demo: .venv/built
	$(BIN)/sharedsky demo

test: lint
	$(BIN)/python -m pytest -q -m "not slow and not integration" -n $(WORKERS) --dist loadgroup

integration: .venv/built
	$(BIN)/python -m pytest -q -m "integration and not slow" --durations=12

soak: .venv/built
	$(BIN)/python -m pytest -q -m slow

gallery: .venv/built
	$(BIN)/python -m fusion.figures.gallery docs/gallery

lint: .venv/built
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest --ignore-disjoint-bases --allowlist tests/architecture/stubtest.allow \
		--ignore-unused-allowlist $(STUBBED)
	$(BIN)/lint-imports --no-logo

# Built without isolation, with .venv's own numpy and Cython: no second download, and no network later.
.venv/installed: pyproject.toml
	test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet "setuptools>=77" "cython>=3.1" "numpy>=2.0"
	SHAREDSKY_KERNELS=later $(BIN)/python -m pip install --quiet --no-build-isolation --editable ".[test]"
	touch $@

.venv/built: .venv/installed $(KERNELS)
	$(BIN)/python setup.py --quiet build_ext --inplace --parallel $(WORKERS)
	touch $@

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -f ext/*.c ext/*.so
