"""Run every benchmark: ``python -m tests.benchmarks``."""

import importlib
import pkgutil

import tests.benchmarks as here

for module in pkgutil.iter_modules(here.__path__):
    if module.name.startswith("bench_"):
        print(f"== {module.name}", flush=True)
        importlib.import_module(f"{here.__name__}.{module.name}").main()
