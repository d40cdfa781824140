# `make demo` and `make test` work from a fresh clone; the rest is for those who change the code.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
JOBS   ?= 2

.PHONY: demo install test test-slow soak lint bench protocol clean

$(VENV)/.base: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch==2.13.0
	$(PIP) --editable .
	@touch $@

$(VENV)/.full: $(VENV)/.base
	$(PIP) --editable ".[test,keras,onnx]"
	@touch $@

demo: $(VENV)/.base
	$(BIN)/challenge run task1 --out runs/demo-$$(date +%Y%m%d-%H%M%S)

install: $(VENV)/.full

test: $(VENV)/.full
	$(BIN)/pytest -n $(JOBS) -m "not slow and not soak"

test-slow: $(VENV)/.full
	$(BIN)/pytest -n $(JOBS) -m "slow"

soak: $(VENV)/.full
	$(BIN)/pytest -m "soak"

lint: $(VENV)/.full
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.full
	for name in aggregation compression metrics ranking task1 transport; do $(BIN)/python -m benchmarks.$$name || exit 1; done

protocol: $(VENV)/.full
	$(BIN)/python -m grpc_tools.protoc -I . --python_out=. --pyi_out=. fl_core/transport/federation.proto

clean:
	rm -rf $(VENV) build dist *.egg-info
