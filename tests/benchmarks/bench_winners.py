"""Winners of random search and of the halving search, beside the noise of the seed.

``python -m tests.benchmarks winners`` repeats the searches of `bench_tuning` with ten
draws of 54 candidates, each with two seeds of the network. The winners then learn all of
the rows of the search, with three seeds each, and forecast the rows after them. It takes
a quarter of an hour. The place of a winner is among the 54 by random search: the winner
of random search with the other seed, and that of halving with the same.
"""

import warnings

import numpy as np
from sklearn.base import clone

from sklearn_gru import datasets
from tests.benchmarks.bench_tuning import (
    CANDIDATES,
    EPOCHS,
    KNOWN,
    N,
    halving_search,
    problem,
    random_search,
)
from tests.benchmarks.machine import describe, use_one_thread

DRAWS, SEEDS = 10, (0, 1)


def later_rows():
    """The hours after those of the search."""
    frame = datasets.load_bike_sharing().frame.iloc[N:].astype(float)
    return frame[["bikers", *KNOWN]], frame["bikers"]


def score_later(given, later, params):
    """Mean R2 on the later rows of three fits to the rows of the search."""
    X, y, model, _ = given
    model = clone(model).set_params(**params, gruregressor__max_iter=EPOCHS)
    scores = []
    for seed in range(3):
        model.set_params(gruregressor__random_state=seed).fit(X, y)
        scores.append(model.score(*later))
    return np.mean(scores)


def searches(given, draw, seed):
    """Scores of all candidates, and the winners: of random search, of halving."""
    X, y, model, space = given
    model = clone(model).set_params(gruregressor__random_state=seed)
    common = {"random_state": draw}
    every = random_search(model, space).set_params(**common).fit(X, y)
    few = halving_search(model, space, min_resources=1, return_train_score=False)
    found = few.set_params(**common).fit(X, y).best_params_
    found = {k: v for k, v in found.items() if not k.endswith("max_iter")}
    candidates = every.cv_results_["params"]
    winners = every.best_index_, candidates.index(found)
    return candidates, every.cv_results_["mean_test_score"], winners


def rank(scores, index):
    """Place of a candidate, from 1."""
    return 1 + int((scores > scores[index]).sum())


def main():
    """Print a row per draw, and means and medians."""
    print(describe(), "\n")
    warnings.filterwarnings("ignore")
    use_one_thread()
    given, rows, ranks, later = problem(), later_rows(), [], []
    print("| draw | place, random search | place, halving | R2, random | R2, halving |")
    print("|---|---|---|---|---|")
    for draw in range(DRAWS):
        candidates, scores, winners = zip(
            *(searches(given, draw, seed) for seed in SEEDS), strict=True
        )
        # The place of each winner: that of the other seed's search, and of halving.
        ranks += [
            (rank(scores[k], winners[1 - k][0]), rank(scores[k], winners[k][1]))
            for k in range(len(SEEDS))
        ]
        later += [
            [score_later(given, rows, candidates[0][index]) for index in pair]
            for pair in winners
        ]
        places = " | ".join(
            ", ".join(str(row[way]) for row in ranks[-2:]) for way in (0, 1)
        )
        scored = " | ".join(
            ", ".join(f"{row[way]:.4f}" for row in later[-2:]) for way in (0, 1)
        )
        print(f"| {draw} | {places} | {scored} |", flush=True)
    print(f"\nMedian place of {CANDIDATES}:", *np.median(ranks, axis=0))
    print("Mean R2 on later rows:", *np.mean(later, axis=0).round(4))
    print("Largest:", *np.max(later, axis=0).round(4))
    of_draws = np.diff(later, axis=1).reshape(DRAWS, -1).mean(axis=1)
    error = of_draws.std(ddof=1) / DRAWS**0.5
    print(f"Halving less random search: {of_draws.mean():.4f} ± {error:.4f}")
    print(f"Default parameters, {EPOCHS} epochs: {score_later(given, rows, {}):.4f}")


if __name__ == "__main__":
    main()
