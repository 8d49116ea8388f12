"""Windows by a plain loop, written from the definition in SlidingWindow's docstring."""

import numpy as np
import pandas as pd


def brute_windows(past, X, *, window, lag, known, group, time, back):
    """Dense windows of the rows of X, looked up among the rows of `past` and X.

    Parameters
    ----------
    past, X : list of dict
        Rows; ``row[group]`` and ``row[time]`` are the keys, the rest are features.
    known : list of str
        Columns read up to the row's own time.
    back : callable or None
        ``back(t, k)`` is the time k steps before t; None means irregular times, where
        a step is a row of the group.
    """
    columns = [c for c in X[0] if c not in (group, time)]
    table = {}
    for row in past:
        table[row[group], row[time]] = dict(row)
    for row in X:
        key = row[group], row[time]
        merged = dict(row)
        for c in columns:
            if np.isnan(row[c]) and key in table:
                merged[c] = table[key][c]
        table[key] = merged

    def lookup(g, t, k):
        if back is not None:
            return table.get((g, back(t, k)))
        times = sorted(time for (group_, time) in table if group_ == g)
        at = times.index(t) - k
        return table[g, times[at]] if at >= 0 else None

    out = np.full((len(X), window, len(columns)), np.nan)
    for i, row in enumerate(X):
        for step in range(window):
            for j, c in enumerate(columns):
                shift = 0 if c in known else lag
                found = lookup(row[group], row[time], shift + window - 1 - step)
                if found is not None:
                    out[i, step, j] = found[c]
    return out


def brute_paths(rows, horizon, *, target, group, time, back):
    """Paths of the rows that have one, as ``[(row number, [oldest, …, own])]``.

    A path of row t holds `target` at the `horizon` steps that end at t; a row whose
    group has no row at one of these steps has none.
    """
    table, times = {}, {}
    for row in rows:
        table[row[group], row[time]] = row[target]
        times.setdefault(row[group], []).append(row[time])
    order = {g: sorted(set(t)) for g, t in times.items()}
    paths = []
    for i, row in enumerate(rows):
        g, t = row[group], row[time]
        path = []
        for k in range(horizon):
            if back is not None:
                at = back(t, k)
            else:
                place = order[g].index(t) - k
                at = order[g][place] if place >= 0 else None
            if (g, at) not in table:
                break
            path.insert(0, table[g, at])
        if len(path) == horizon:
            paths.append((i, path))
    return paths


def brute_splits(times, n_splits, *, max_train_size=None, test_size=None, gap=0):
    """Rows to train and test on, for the time of each row, by loops over the times."""
    distinct = sorted(set(times))
    size = len(distinct) // (n_splits + 1) if test_size is None else test_size
    for k in range(n_splits):
        begin = len(distinct) - (n_splits - k) * size
        end = begin - gap
        first = 0 if max_train_size is None else max(0, end - max_train_size)
        train, test = distinct[first:end], distinct[begin : begin + size]
        yield (
            [i for i, t in enumerate(times) if t in train],
            [i for i, t in enumerate(times) if t in test],
        )


def records(frame, group=None):
    """Rows of a frame as dicts with keys 'group' and 'time'."""
    rows = []
    for position in range(len(frame)):
        values = frame.iloc[position].to_dict()
        label = frame.index[position]
        if isinstance(frame.index, pd.MultiIndex):
            g, t = label
        elif group is not None:
            g, t = values.pop(group), label
        else:
            g, t = "", label
        rows.append({**values, "group": g, "time": t})
    return rows
