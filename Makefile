# Every target creates the environment it needs; CI runs these same targets.
PYTHON ?= python3
SCRIPTS := $(if $(filter Windows_NT,$(OS)),Scripts,bin)
VENV := .venv
BIN := $(VENV)/$(SCRIPTS)
STAMP := $(VENV)/installed
EXTRAS ?= dev

.PHONY: install demo test test-fast test-oldest test-newest test-wheel coverage build \
	lint format types layers docs docs-test interop bench bench-accuracy bench-anomaly soak check

install: $(STAMP)

# $(call environment,folder,what to install): PyTorch first and at the pinned version,
# since any other resolution may pull CUDA.
TORCH ?= -c constraints.txt torch
define environment
	test -x $(1)/$(SCRIPTS)/python || $(PYTHON) -m venv $(1)
	$(1)/$(SCRIPTS)/python -m pip install --quiet --upgrade pip
	$(1)/$(SCRIPTS)/python -m pip install --quiet $(TORCH)
	$(1)/$(SCRIPTS)/python -m pip install --quiet $(2)
endef

$(STAMP): pyproject.toml constraints.txt
	$(call environment,$(VENV),-c constraints.txt -e ".[$(EXTRAS)]")
	touch $(STAMP)

demo: $(STAMP)
	MPLBACKEND=agg $(BIN)/python examples/plot_first_forecast.py

RUN := -m pytest -n 2 --dist worksteal
test: $(STAMP)
	SCIPY_ARRAY_API=1 OMP_NUM_THREADS=1 $(BIN)/python $(RUN)

# What one runs while editing: no slow tests, no doctests, and nothing about the pages,
# the gallery, other libraries or the benchmarks. One thread per worker of the two.
FAST := $(RUN) -m "not slow" tests $(addprefix --ignore-glob=*/test_, \
	*benchmark*.py examples.py interop.py shown_code.py site.py)
test-fast: $(STAMP)
	SCIPY_ARRAY_API=1 OMP_NUM_THREADS=1 $(BIN)/python $(FAST)

# The lower bounds of pyproject.toml, each at exactly that version, but for PyTorch. SciPy
# is scikit-learn's to choose, and newer ones warn about what scikit-learn 1.6 does.
OLDEST := .venv-oldest
$(OLDEST)/installed: pyproject.toml constraints.txt tests/tools/print_oldest.py
	$(call environment,$(OLDEST),-e ".[test]" "scipy==1.14.*" \
		$$($(PYTHON) tests/tools/print_oldest.py))
	touch $@

test-oldest: $(OLDEST)/installed
	SCIPY_ARRAY_API=1 OMP_NUM_THREADS=1 $(OLDEST)/$(SCRIPTS)/python $(FAST)

# Whatever is newest, pre-releases aside; only PyTorch is pinned (TORCH=torch frees it).
NEWEST := .venv-newest
test-newest:
	$(call environment,$(NEWEST),--upgrade --upgrade-strategy eager -e ".[test]")
	SCIPY_ARRAY_API=1 OMP_NUM_THREADS=1 $(NEWEST)/$(SCRIPTS)/python $(FAST)

# A report without a threshold; compiled code counts as not run.
coverage: $(STAMP)
	$(BIN)/python -m pip install --quiet "pytest-cov>=6.1"
	SCIPY_ARRAY_API=1 $(BIN)/python $(RUN) --cov=sklearn_gru --cov-report=html:htmlcov \
		--cov-report=markdown:coverage.md --cov-report=term

BUILD := .venv-build
$(BUILD)/installed: pyproject.toml
	test -x $(BUILD)/$(SCRIPTS)/python || $(PYTHON) -m venv $(BUILD)
	$(BUILD)/$(SCRIPTS)/python -m pip install --quiet "build>=1.2" "twine>=6.1"
	touch $@

# The wheel is built from the source distribution, which so proves complete.
build: $(BUILD)/installed
	rm -rf dist
	$(BUILD)/$(SCRIPTS)/python -m build
	$(BUILD)/$(SCRIPTS)/python -m twine check --strict dist/*

# An empty environment, no extras, no checkout on the path (-I).
WHEEL := .venv-wheel
test-wheel: build
	rm -rf $(WHEEL)
	$(call environment,$(WHEEL),dist/*.whl)
	cd $(WHEEL) && $(SCRIPTS)/python -I ../tests/tools/try_wheel.py ../README.md

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

# Runs the code of the pages and of the gallery, two at a time on two cores; what did not
# change is not run again.
docs: $(STAMP)
	$(BIN)/sphinx-build -b html -W --keep-going docs docs/_build/html

# The site of `make docs` in a real browser. In `make test`, the same tests meet a site
# whose code was not run, and are skipped where there is no browser.
docs-test: docs
	SITE_TEST=required SITE_HTML=docs/_build/html $(BIN)/python -m pytest tests/test_site.py

# sktime and aeon ask for an older pandas and numba than the rest: an environment for them.
# Ray and Spark (which needs Java) take half a gigabyte, and need not be there.
INTEROP := .venv-interop
$(INTEROP)/installed: pyproject.toml constraints.txt
	$(call environment,$(INTEROP),-e . pytest aeon==1.6.0 sktime==1.2.0)
	-$(INTEROP)/$(SCRIPTS)/python -m pip install --quiet "ray[train]" pyspark
	touch $@

interop: $(STAMP) $(INTEROP)/installed
	-$(BIN)/python -m pytest tests/test_interop.py --junitxml=$(INTEROP)/all.xml
	-$(INTEROP)/$(SCRIPTS)/python -m pytest tests/test_interop.py --junitxml=$(INTEROP)/rest.xml
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

# A few minutes on one core.
bench-anomaly: $(STAMP)
	@test -f "$(DATA)/NAB.zip" || { echo "Say where NAB.zip is: make bench-anomaly DATA=folder"; exit 2; }
	$(BIN)/python -m tests.benchmarks.anomalies --data "$(DATA)"

# Killed fits, leaks, threads and random input: hours. SCALE=0.01 takes minutes.
SCALE ?= 1
soak: $(STAMP)
	$(BIN)/python -m tests.soaking $(SCALE)

check: lint types layers test docs
