"""Print what scikit-learn's checks say of each estimator, for the version installed.

``SCIPY_ARRAY_API=1 python -m tests.tools.print_contract``
"""

from collections import Counter

import sklearn

from sklearn_gru import SlidingWindow
from tests.contract_cases import DEFAULTS, OPTIONS, WITHOUT_LEVEL, run_checks

if __name__ == "__main__":
    print("scikit-learn", sklearn.__version__)
    cases = {**DEFAULTS, **OPTIONS, **WITHOUT_LEVEL, "window of 3": SlidingWindow(3)}
    for name, estimator in cases.items():
        results = run_checks(estimator)
        counts = Counter(r["status"] for r in results)
        failed = [r["check_name"] for r in results if r["status"] != "passed"]
        print(f"{name:30s} {dict(counts)} {failed}", flush=True)
