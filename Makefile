# Every target creates .venv if it is missing; CI runs these same targets.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

.PHONY: install demo test lint format types layers docs docs-test interop bench \
	bench-accuracy check

install: $(STAMP)

# PyTorch first and at the pinned version: any other resolution may pull CUDA.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	touch $(STAMP)

demo: $(STAMP)
	MPLBACKEND=agg $(BIN)/python examples/plot_first_forecast.py

test: $(STAMP)
	SCIPY_ARRAY_API=1 $(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/validate-pyproject pyproject.toml

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP)
	$(BIN)/mypy

layers: $(STAMP)
	$(BIN)/lint-imports

docs: $(STAMP)
	$(BIN)/sphinx-build -b html -W --keep-going docs docs/_build/html

# The same tests run in `make test`, which skips them where there is no browser.
docs-test: $(STAMP)
	SITE_TEST=required $(BIN)/python -m pytest tests/test_site.py

# sktime and aeon ask for an older pandas and numba than the rest: an environment for them.
INTEROP := .venv-interop
$(INTEROP)/installed: pyproject.toml constraints.txt
	test -x $(INTEROP)/bin/python || $(PYTHON) -m venv $(INTEROP)
	$(INTEROP)/bin/python -m pip install --quiet --upgrade pip
	$(INTEROP)/bin/python -m pip install --quiet -c constraints.txt torch
	$(INTEROP)/bin/python -m pip install --quiet -e . pytest aeon==1.6.0 sktime==1.2.0
	touch $@

interop: $(STAMP) $(INTEROP)/installed
	-$(BIN)/python -m pytest tests/test_interop.py --junitxml=$(INTEROP)/all.xml
	-$(INTEROP)/bin/python -m pytest tests/test_interop.py --junitxml=$(INTEROP)/rest.xml
	$(BIN)/python -m tests.tools.print_interop --page docs/user_guide/ecosystem.md \
		$(INTEROP)/all.xml $(INTEROP)/rest.xml

bench: $(STAMP)
	$(BIN)/python -m tests.benchmarks

# Hours on one core; results already in CACHE are not measured again.
CACHE ?= $(HOME)/.cache/sklearn_gru_accuracy
bench-accuracy: $(STAMP)
	@test -d "$(DATA)" || { echo "Say where the data is: make bench-accuracy DATA=folder"; exit 2; }
	$(BIN)/python -m sklearn_gru
	$(BIN)/python -m tests.benchmarks.accuracy --test --data "$(DATA)" --cache "$(CACHE)" \
		--page docs/accuracy.md

check: lint types layers test docs
