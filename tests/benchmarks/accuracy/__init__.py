"""How accurate the estimators are on public tasks, beside the baselines that count.

``python -m tests.benchmarks.accuracy --data FOLDER`` fits every method on every task,
keeps each result as a JSON file, and writes docs/accuracy.md from those files. Without
``--test`` the test parts are never read: every choice is made by inner validation.
"""
