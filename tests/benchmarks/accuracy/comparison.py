"""How the defaults compare over all tasks, in sentences made from the figures."""

import numpy as np

CHEAP = ("ridge", "gradient boosting")


def beyond_noise(task, ours, theirs, sampling=0.0):
    """Return 1 if ours is better, -1 if worse, 0 within two standard errors.

    Their squares are those of the seeds, and `sampling`.
    """
    a, b = (np.array([r["score"] for r in results]) for results in (ours, theirs))
    noise = 2 * np.sqrt(a.var() / len(a) + b.var() / len(b) + sampling)
    if abs(a.mean() - b.mean()) <= noise:
        return 0
    return 1 if task.better(a.mean(), b.mean()) else -1


def sampling_variance(ours, theirs):
    """Return the squared standard error of a difference, as of a sample of the data.

    It is that of the mean of paired differences of what was observed in the test part;
    0 where too little was.
    """
    if any(r["observed"][0] is None for r in ours + theirs):
        return 0.0
    a, b = (
        np.mean([r["observed"][0] for r in results], 0) for results in (ours, theirs)
    )
    return (a - b).var(ddof=1) / len(a)


def compared(tasks, figures, before, best_baseline):
    """Return sentences on the default before and after, and beside the baselines."""
    return [
        *_with_before(tasks, figures, before),
        *_with_baselines(tasks, figures, best_baseline),
        *_with_test_parts(tasks, figures, best_baseline),
    ]


def _with_before(tasks, figures, before):
    pairs = [
        (task, figures.of(task.name, "default"), figures.of(task.name, before))
        for task in tasks
    ]
    pairs = [pair for pair in pairs if pair[1] and pair[2]]
    if not pairs:
        return
    signs = [beyond_noise(*pair) for pair in pairs]
    worse = [
        task.name for (task, *_), sign in zip(pairs, signs, strict=True) if sign < 0
    ]
    errors = [_ratio(new, old, _errors(task)) for task, new, old in pairs]
    seconds = [_ratio(new, old, lambda r: r["seconds"]) for _, new, old in pairs]
    longest = max(range(len(pairs)), key=seconds.__getitem__)
    yield (
        f"* Beyond the noise (two standard errors), the default is better than the "
        f"default before on {signs.count(1)} of {len(pairs)} tasks, worse on "
        f"{len(worse)}{_named(worse)}. Geometric means, default / before: error "
        f"{_mean(errors):.2f}, CPU seconds {_mean(seconds):.2f} (at most "
        f"{seconds[longest]:.1f}, on {pairs[longest][0].name})."
    )


def _with_baselines(tasks, figures, best_baseline):
    behind, beaten, n = [], [], 0
    for task in tasks:
        ours = figures.of(task.name, "default")
        rival = best_baseline(task, figures)
        if not ours or rival is None:
            continue
        n += 1
        if beyond_noise(task, ours, figures.of(task.name, rival)) < 0:
            behind.append(f"{task.name} ({rival})")
        cheap = [figures.of(task.name, name) for name in CHEAP]
        if any(c and beyond_noise(task, ours, c) < 0 for c in cheap):
            beaten.append(task.name)
    if n:
        yield (
            f"* The default is at least level with the strongest baseline, up to the "
            f"noise, on {n - len(behind)} of {n} tasks; not on{_named(behind)}."
        )
        yield (
            f"* It is at least level with both ridge and gradient boosting on "
            f"{n - len(beaten)} of {n} tasks; not on{_named(beaten)}."
        )


def _with_test_parts(tasks, figures, best_baseline):
    behind, ahead, n = [], [], 0
    for task in tasks:
        rival = best_baseline(task, figures)
        pair = [figures.of(task.name, method) for method in ("default", rival)]
        if not all(pair) or not all("observed" in r for r in pair[0] + pair[1]):
            continue
        n += 1
        sign = beyond_noise(task, *pair, sampling_variance(*pair))
        if sign:
            (behind if sign < 0 else ahead).append(f"{task.name} ({rival})")
    if n:
        yield (
            "* That noise is of the seeds alone, and a test part is a sample, too. Where "
            "the standard error of the paired differences over it is added, the default "
            f"is better than the strongest baseline on {len(ahead)} of {n} tasks, and "
            f"worse on {len(behind)}{_named(behind)}."
        )


def _named(names):
    return f": {', '.join(names)}" if names else ""


def _errors(task):
    return lambda result: task.error(result["score"])


def _ratio(new, old, value):
    return np.mean([value(r) for r in new]) / np.mean([value(r) for r in old])


def _mean(ratios):
    return np.exp(np.mean(np.log(ratios)))
