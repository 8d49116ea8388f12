"""The networks of `sklearn_gru._engines.numba` written the plain way, in float64 torch.

One step at a time, every gate by name, no packing: the state of a sequence that has
ended is simply kept. Autograd gives every gradient.
"""

import numpy as np
import torch


def gru(x, h, c, weight_ih, weight_hh, bias_ih, bias_hh):
    """Step of torch.nn.GRU."""
    xr, xz, xn = (x @ weight_ih.T + bias_ih).chunk(3, 1)
    hr, hz, hn = (h @ weight_hh.T + bias_hh).chunk(3, 1)
    r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
    n = torch.tanh(xn + r * hn)
    return (1 - z) * n + z * h, c


def gru_reset_before(x, h, c, weight_ih, weight_hh, bias_ih, bias_hh):
    """Step of the GRU of Cho et al. (2014)."""
    xr, xz, xn = (x @ weight_ih.T + bias_ih + bias_hh).chunk(3, 1)
    w_r, w_z, w_n = weight_hh.chunk(3)
    r, z = torch.sigmoid(xr + h @ w_r.T), torch.sigmoid(xz + h @ w_z.T)
    n = torch.tanh(xn + (r * h) @ w_n.T)
    return (1 - z) * n + z * h, c


def lstm(x, h, c, weight_ih, weight_hh, bias_ih, bias_hh):
    """Step of torch.nn.LSTM."""
    gates = x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh
    i, f, g, o = gates.chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def rnn(x, h, c, weight_ih, weight_hh, bias_ih, bias_hh):
    """Step of torch.nn.RNN."""
    return torch.tanh(x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh), c


CELLS = {f.__name__: f for f in (gru, gru_reset_before, lstm, rnn)}


def turn_around(x, lengths):
    """Reverse every sequence (B, T, n) within its own length."""
    steps = torch.arange(x.shape[1])[None, :]
    index = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return torch.take_along_dim(x, index[:, :, None], 1)


def run_direction(network, x, lengths, weights):
    """Run one direction over padded sequences; return all states and the last."""
    h = c = x.new_zeros(len(x), network.hidden_size)
    states = []
    for t in range(x.shape[1]):
        h_new, c_new = CELLS[network.cell](x[:, t], h, c, *weights)
        alive = (t < lengths)[:, None]
        h, c = torch.where(alive, h_new, h), torch.where(alive, c_new, c)
        states.append(torch.where(alive, h, torch.zeros(())))
    if not states:
        return x.new_zeros(len(x), 0, h.shape[1]), h
    return torch.stack(states, 1), h


def run_layers(network, named, x, lengths, masks=None):
    """Return states of the last layer (B, T, width) and its final ones (B, width)."""
    suffixes = ("", "_reverse") if network.bidirectional else ("",)
    for layer in range(network.num_layers):
        states, finals = [], []
        for suffix in suffixes:
            weights = [
                named[f"{kind}_l{layer}{suffix}"]
                for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            ]
            x_turned = turn_around(x, lengths) if suffix else x
            out, final = run_direction(network, x_turned, lengths, weights)
            states.append(turn_around(out, lengths) if suffix else out)
            finals.append(final)
        x = torch.cat(states, 2)
        if masks is not None and layer < network.num_layers - 1:
            x = x * masks[layer]
    return x, torch.cat(finals, 1)


def pooled_state(network, states, last, lengths):
    """Pool each sequence over its own steps; an empty one to zeros."""
    if network.pooling == "last":
        return last
    alive = (torch.arange(states.shape[1])[None, :] < lengths[:, None])[:, :, None]
    mean = states.sum(1) / lengths.clamp(min=1)[:, None]
    largest = torch.where(alive, states, torch.full((), -torch.inf)).max(1).values
    largest = torch.where((lengths > 0)[:, None], largest, torch.zeros(()))
    parts = {"mean": [mean], "max": [largest], "mean_max": [mean, largest]}
    return torch.cat(parts[network.pooling], 1)


def sequence_losses(network, scores, targets):
    """Return the loss of every sequence of a batch."""
    F = torch.nn.functional
    if network.loss == "cross_entropy":
        smoothing = (*network.loss_parameters, 0.0)[0]
        return F.cross_entropy(
            scores, targets, reduction="none", label_smoothing=smoothing
        )
    if network.loss == "quantile":
        tau = torch.tensor(network.loss_parameters, dtype=scores.dtype)
        error = targets[:, :, None] - scores.view(len(scores), -1, len(tau))
        return torch.maximum(tau * error, (tau - 1) * error).mean((1, 2))
    kind = {
        "squared_error": F.mse_loss,
        "absolute_error": F.l1_loss,
        "huber": F.huber_loss,
        "poisson": _poisson,
    }[network.loss]
    return kind(scores, targets, reduction="none").mean(1)


def _poisson(scores, targets, reduction):
    """Return half the deviance of counts above 0 from the means exp(scores)."""
    return targets * (targets.log() - scores) - targets + scores.exp()


def embedded(network, named, x):
    """Replace the indices, which are the last columns, by rows of the tables."""
    n_dense = network.n_columns - len(network.embeddings)
    parts = [x[..., :n_dense]]
    for k in range(len(network.embeddings)):
        index, table = x[..., n_dense + k].long(), named[f"embedding.tables.{k}.weight"]
        parts.append(torch.nn.functional.embedding(index, table, padding_idx=0))
    return torch.cat(parts, -1)


def scores_of(network, named, x, lengths, masks=None):
    """Return what the head makes of padded sequences (B, T, n_columns)."""
    x = embedded(network, named, x)
    states, last = run_layers(network, named, x, lengths, masks=masks)
    pooled = pooled_state(network, states, last, lengths)
    if masks is not None:
        pooled = pooled * masks[-1]
    return pooled @ named["head.weight"].T + named["head.bias"]


def split(network, flat):
    """Return views of a flat vector (array or tensor), one for each parameter."""
    views, start = {}, 0
    for name, shape in network.parameters().items():
        size = int(np.prod(shape))
        views[name] = flat[start : start + size].reshape(shape)
        start += size
    return views


def dropout_mask(rate, seed, layer, sequences, n_steps, width):
    """Return what `train_epoch` multiplies the states after a layer with.

    `sequences` are the positions in `starts` of the sequences of the batch; the result
    is (n, n_steps, width) float32, with the first step of every sequence first. What
    is multiplied before the head is step 0 of layer `num_layers`.
    """

    def mix(x):
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))

    def multiples(factor, numbers):
        return np.uint64(factor) * np.asarray(numbers, dtype=np.uint64)

    base = np.array([seed], dtype=np.uint64)
    base = base + multiples(0x9E3779B97F4A7C15, [layer + 1])
    sequence = multiples(0xD1B54A32D192ED03, sequences)[:, None]
    step = multiples(0xABC98388FB8FAC03, np.arange(n_steps))
    unit = multiples(0x8CB92BA72F3D8DD7, np.arange(width))
    key = mix(base + sequence + step)[:, :, None]  # (n, n_steps, 1)
    kept = (mix(key + unit) >> np.uint64(40)) >= np.uint64(int(rate * 2**24))
    return kept * np.float32(1.0 / (1.0 - rate))
