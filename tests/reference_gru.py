"""The network once more, in NumPy and float64, written from the equations.

One sequence at a time, one step at a time, one gate at a time: slow, and short enough
to be checked against the papers. It shares no code with the package; it only reads the
parameters of a :class:`~sklearn_gru._engines.torch.SequenceModel` by their names in
``state_dict``. Stacked matrices hold the gates in PyTorch's order: r, z, n for a GRU,
i, f, g, o for an LSTM.
"""

import numpy as np


def reference_output(state_dict, sequence, *, cell, pooling):
    """Outputs (n_outputs,) of the network in evaluation mode for one (T, n_inputs)."""
    outputs, last = reference_states(state_dict, sequence, cell=cell)
    state = _arrays(state_dict)
    pooled = POOLINGS[pooling](outputs, last, state)
    return state["head.weight"] @ pooled + state["head.bias"]


def reference_states(state_dict, sequence, *, cell):
    """States (T, D) of the topmost layer, and its final state (D,)."""
    state = _arrays(state_dict)
    x = np.asarray(sequence, dtype=np.float64)
    layer = 0
    while f"recurrent.layers.{layer}.0.weight_ih_l0" in state:
        forward = CELLS[cell](*_parameters(state, layer, 0), x)
        steps, last = [forward], [forward[-1]]
        if f"recurrent.layers.{layer}.1.weight_ih_l0" in state:
            backward = CELLS[cell](*_parameters(state, layer, 1), x[::-1])
            steps.append(backward[::-1])
            last.append(backward[-1])
        x, final = np.concatenate(steps, axis=1), np.concatenate(last)
        layer += 1
    return x, final


def reference_gates(state_dict, sequence, *, cell):
    """Gates (T, n_layers, n_directions, H) by name, in PyTorch's order."""
    state = _arrays(state_dict)
    names, x = GATES[cell], np.asarray(sequence, dtype=np.float64)
    found = {name: [] for name in names}
    layer = 0
    while f"recurrent.layers.{layer}.0.weight_ih_l0" in state:
        per_direction, outputs = {name: [] for name in names}, []
        for direction in (0, 1):
            if f"recurrent.layers.{layer}.{direction}.weight_ih_l0" not in state:
                continue
            turn = slice(None, None, -1 if direction else 1)
            weights = _parameters(state, layer, direction)
            states = CELLS[cell](*weights, x[turn])
            for name, block in names.items():
                gates = []
                for t, step in enumerate(x[turn]):
                    h = states[t - 1] if t else np.zeros(states.shape[1])
                    w_i, w_h, b_i, b_h = (
                        np.split(w, 4 if cell == "lstm" else 3)[block] for w in weights
                    )
                    gates.append(sigmoid(w_i @ step + b_i + w_h @ h + b_h))
                per_direction[name].append(np.array(gates)[turn])
            outputs.append(states[turn])
        for name in names:
            found[name].append(np.stack(per_direction[name], axis=1))
        x = np.concatenate(outputs, axis=1)
        layer += 1
    return {name: np.stack(layers, axis=1) for name, layers in found.items()}


# -- cells: W_i, W_h, b_i, b_h, steps to states (T, H) -------------------------------------


def gru(w_i, w_h, b_i, b_h, steps):
    """Reset gate after the matrix product (PyTorch, cuDNN)."""
    w_ir, w_iz, w_in = np.split(w_i, 3)
    w_hr, w_hz, w_hn = np.split(w_h, 3)
    b_ir, b_iz, b_in = np.split(b_i, 3)
    b_hr, b_hz, b_hn = np.split(b_h, 3)
    h, states = np.zeros(w_h.shape[1]), []
    for x in steps:
        r = sigmoid(w_ir @ x + b_ir + w_hr @ h + b_hr)
        z = sigmoid(w_iz @ x + b_iz + w_hz @ h + b_hz)
        n = np.tanh(w_in @ x + b_in + r * (w_hn @ h + b_hn))
        h = (1 - z) * n + z * h
        states.append(h)
    return np.array(states)


def gru_reset_before(w_i, w_h, b_i, b_h, steps):
    """Reset gate before the matrix product (Cho et al. 2014)."""
    w_ir, w_iz, w_in = np.split(w_i, 3)
    w_hr, w_hz, w_hn = np.split(w_h, 3)
    b_ir, b_iz, b_in = np.split(b_i, 3)
    b_hr, b_hz, b_hn = np.split(b_h, 3)
    h, states = np.zeros(w_h.shape[1]), []
    for x in steps:
        r = sigmoid(w_ir @ x + b_ir + w_hr @ h + b_hr)
        z = sigmoid(w_iz @ x + b_iz + w_hz @ h + b_hz)
        n = np.tanh(w_in @ x + b_in + w_hn @ (r * h) + b_hn)
        h = (1 - z) * n + z * h
        states.append(h)
    return np.array(states)


def lstm(w_i, w_h, b_i, b_h, steps):
    """With a forget gate (Gers et al. 2000)."""
    w_ii, w_if, w_ig, w_io = np.split(w_i, 4)
    w_hi, w_hf, w_hg, w_ho = np.split(w_h, 4)
    b_ii, b_if, b_ig, b_io = np.split(b_i, 4)
    b_hi, b_hf, b_hg, b_ho = np.split(b_h, 4)
    h = c = np.zeros(w_h.shape[1])
    states = []
    for x in steps:
        i = sigmoid(w_ii @ x + b_ii + w_hi @ h + b_hi)
        f = sigmoid(w_if @ x + b_if + w_hf @ h + b_hf)
        g = np.tanh(w_ig @ x + b_ig + w_hg @ h + b_hg)
        o = sigmoid(w_io @ x + b_io + w_ho @ h + b_ho)
        c = f * c + i * g
        h = o * np.tanh(c)
        states.append(h)
    return np.array(states)


def rnn(w_i, w_h, b_i, b_h, steps):
    """Elman's network with tanh."""
    h, states = np.zeros(w_h.shape[1]), []
    for x in steps:
        h = np.tanh(w_i @ x + b_i + w_h @ h + b_h)
        states.append(h)
    return np.array(states)


def sigmoid(a):
    """The logistic function."""
    return 1 / (1 + np.exp(-a))


GATES = {
    "gru": {"reset_gate": 0, "update_gate": 1},
    "gru_reset_before": {"reset_gate": 0, "update_gate": 1},
    "lstm": {"input_gate": 0, "forget_gate": 1, "output_gate": 3},
}
CELLS = {"gru": gru, "gru_reset_before": gru_reset_before, "lstm": lstm, "rnn": rnn}

# -- poolings: states (T, D), final state (D,), parameters to a vector ---------------------


def attention_weights(outputs, state):
    """Softmax over the steps of ``context . tanh(W h + b)`` (Yang et al. 2016)."""
    score = np.array(
        [
            state["pooling.context"][0]
            @ np.tanh(state["pooling.project"] @ h + state["pooling.project_bias"])
            for h in outputs
        ]
    )
    odds = np.exp(score - score.max())
    return odds / odds.sum()


POOLINGS = {
    "last": lambda outputs, last, state: last,
    "mean": lambda outputs, last, state: sum(outputs) / len(outputs),
    "max": lambda outputs, last, state: np.max(outputs, axis=0),
    "attention": lambda outputs, last, state: sum(
        weight * h
        for weight, h in zip(attention_weights(outputs, state), outputs, strict=True)
    ),
    "mean_max": lambda outputs, last, state: np.concatenate(
        [sum(outputs) / len(outputs), np.max(outputs, axis=0)]
    ),
}

# -- the convolution branch ----------------------------------------------------------------


def reference_convolution(state_dict, sequence, seen):
    """Mean over the steps seen, (n_filters,), of one (T, n_inputs) in evaluation mode."""
    state = _arrays(state_dict)
    x = np.asarray(sequence, dtype=np.float64)
    layer = 0
    while f"convolution.layers.{layer}.weight" in state:
        kernel = state[f"convolution.layers.{layer}.weight"]  # (n_out, n_in, size)
        x = np.where(np.asarray(seen)[:, None], x, 0.0)
        norm = f"convolution.norms.{layer}."
        y = [
            (same_convolution(x, w) - mean) / np.sqrt(variance + 1e-5) * gamma + beta
            for w, mean, variance, gamma, beta in zip(
                kernel,
                state[norm + "running_mean"],
                state[norm + "running_var"],
                state[norm + "weight"],
                state[norm + "bias"],
                strict=True,
            )
        ]
        x = np.maximum(np.transpose(y), 0.0)
        layer += 1
    return x[np.asarray(seen)].mean(axis=0)


def same_convolution(x, kernel):
    """One filter (n_in, size) over (T, n_in): (T,), of even sizes more to the right."""
    size = kernel.shape[1]
    out = np.zeros(len(x))
    for t in range(len(x)):
        for j in range(size):
            at = t + j - (size - 1) // 2
            if 0 <= at < len(x):
                out[t] += kernel[:, j] @ x[at]
    return out


# -- parameters ----------------------------------------------------------------------------


def _arrays(state_dict):
    """Every parameter in float64, by name."""
    return {name: np.asarray(p, dtype=np.float64) for name, p in state_dict.items()}


def _parameters(state, layer, direction):
    """The four arrays of one layer in one direction."""
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return [state[f"recurrent.layers.{layer}.{direction}.{k}_l0"] for k in kinds]
