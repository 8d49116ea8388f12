"""The translator once more, in NumPy, and its answers by trying all of them.

Written from the equations: the whole text is read anew for every token, nothing is
carried along, and attention is a loop over the tokens of the source.
"""

from itertools import product

import numpy as np

from tests.reference_gru import reference_states

END = 0


def log_probabilities(state_dict, source, written, *, cell):
    """Log-probabilities (n + 1, n_outputs) of each token after those before it.

    With them is the attention (n + 1, n_source). `source` and `written` are codes.
    """
    state = {name: array.double().numpy() for name, array in state_dict.items()}
    vectors = state["embedding.tables.0.weight"]
    read, last = reference_states(
        part_of(state_dict, "recurrent"), vectors[list(source)], cell=cell
    )
    first = np.tanh(state["bridge.weight"] @ last + state["bridge.bias"])
    inputs = np.vstack([first, *(state["head.weight"][code] for code in written)])
    steps, _ = reference_states(part_of(state_dict, "decoder"), inputs, cell=cell)
    found, attention = [], []
    for step in steps:
        scores = np.array([step @ (state["key.weight"] @ one) for one in read])
        weights = np.exp(scores - scores.max())
        weights /= weights.sum()
        context = sum(w * one for w, one in zip(weights, read, strict=True))
        joined = np.concatenate([step, context])
        z = np.tanh(state["combine.weight"] @ joined + state["combine.bias"])
        output = state["head.weight"] @ z + state["head.bias"]
        found.append(output - np.log(np.exp(output).sum()))
        attention.append(weights)
    return np.array(found), np.array(attention)


def part_of(state_dict, name):
    """The arrays of one stack of recurrent layers, by the names of an encoder."""
    start = name + "."
    return {
        "recurrent." + key.removeprefix(start): array
        for key, array in state_dict.items()
        if key.startswith(start)
    }


def greedy_text(state_dict, source, most, *, cell):
    """Codes that are the most probable ones, one after the other."""
    written = []
    while len(written) < most:
        log_p, _ = log_probabilities(state_dict, source, written, cell=cell)
        code = int(log_p[-1].argmax())
        if code == END:
            break
        written.append(code)
    return written


def best_text(state_dict, source, most, n_outputs, *, cell):
    """Codes of the text of the largest mean log-probability, of all there are."""
    best, best_mean = None, -np.inf
    for n in range(most + 1):
        for text in product(range(1, n_outputs), repeat=n):
            log_p, _ = log_probabilities(state_dict, source, text, cell=cell)
            path = [*text, END] if n < most else list(text)  # a full one has no end
            mean = np.mean([log_p[k, code] for k, code in enumerate(path)])
            if mean > best_mean:
                best, best_mean = list(text), mean
    return best


def slow_chrf(found, true, order=6, beta=2):
    """The F-score of character n-grams of all texts together, by lists and counts."""
    precisions, recalls = [], []
    for n in range(1, order + 1):
        n_found = n_true = n_both = 0
        for a, b in zip(found, true, strict=True):
            a, b = a.replace(" ", ""), b.replace(" ", "")
            grams = [a[k : k + n] for k in range(len(a) - n + 1)]
            left = [b[k : k + n] for k in range(len(b) - n + 1)]
            n_found, n_true = n_found + len(grams), n_true + len(left)
            for gram in grams:
                if gram in left:
                    left.remove(gram)
                    n_both += 1
        if n_found and n_true:
            precisions.append(n_both / n_found)
            recalls.append(n_both / n_true)
    p, r = np.mean(precisions or [0]), np.mean(recalls or [0])
    return (1 + beta**2) * p * r / (beta**2 * p + r) if p + r else 0.0
