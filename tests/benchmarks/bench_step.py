"""An epoch of the compiled training step against a raw torch loop.

The torch loop is the best a user would write: one tensor, index batches, nn.GRU,
fused AdamW, clipping; for variable lengths, packed sequences. No DataLoader, no skorch.
Both sides train the same network on the same batches, in turn, on one thread; the
figure is the median of the ratios. The floor is the time the multiply-adds alone take
at the measured peak. Run it as `python -m tests.benchmarks.bench_step`.
"""

import time

import numpy as np
import torch

from sklearn_gru._engines.numba import Trainer
from sklearn_gru._model.spec import NetworkSpec
from tests.benchmarks import rivals
from tests.benchmarks.bench_layer import compare, machine

N, BATCH, STEPS, INPUTS, HIDDEN = 2048, 64, 24, 8, 32


def problem(kind):
    """Return a network, overlapping windows over flat rows, and targets."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((N + STEPS, INPUTS)).astype(np.float32)
    starts, lengths = np.arange(N), np.full(N, STEPS)
    if kind == "windows, last state, squared error":
        network = NetworkSpec("gru", INPUTS, HIDDEN)
        targets = rng.standard_normal((N, 1)).astype(np.float32)
    else:
        network = NetworkSpec(
            "gru", INPUTS, HIDDEN, 1, True, "mean_max", 9, "cross_entropy"
        )
        lengths = rng.integers(8, STEPS + 1, N)
        targets = rng.integers(0, 9, N)
    return network, values, starts, lengths, targets


def torch_epoch(network, values, starts, lengths, targets):
    """Return a function that trains one epoch with torch."""
    net = rivals.Net(
        HIDDEN, INPUTS, network.n_outputs, network.bidirectional, network.pooling
    )
    optimizer = rivals.raw_optimizer(net)
    rows = np.minimum(starts[:, None] + np.arange(STEPS), len(values) - 1)
    inputs = [torch.tensor(values[rows])]
    if network.pooling != "last":
        inputs.append(torch.tensor(lengths))
    y, functional = torch.tensor(targets), torch.nn.functional
    classes = network.loss == "cross_entropy"
    loss_of = functional.cross_entropy if classes else functional.mse_loss

    def epoch():
        rivals.raw_epoch(net, optimizer, inputs, y, loss_of, BATCH)

    return epoch


def kernel_epoch(network, values, starts, lengths, targets):
    """Return a function that trains one epoch with the kernels."""
    rng = np.random.default_rng(0)
    params = rng.uniform(-0.17, 0.17, network.n_parameters).astype(np.float32)
    trainer = Trainer(network, params, clip_norm=1.0, weight_decay=0.01)
    weights, rates = np.ones(N, dtype=np.float32), np.full(N // BATCH, 1e-3)

    def epoch():
        trainer.train_epoch(
            values, starts, lengths, targets, weights, order=rng.permutation(N),
            batch_size=BATCH, rates=rates,
        )  # fmt: skip

    return epoch


def measured_peak():
    """Return the multiply-adds a second, in FLOP, of a large product by the tile."""
    from sklearn_gru._engines.numba.calls import address, aligned_floats
    from sklearn_gru._engines.numba.compile.jit import entry
    from sklearn_gru._engines.numba.compile.simd import LANES, floats_at
    from sklearn_gru._engines.numba.compile.tile import gemm

    def product(repeats, a, w, c):
        a, w, c = floats_at(a), floats_at(w), floats_at(c)
        for _ in range(repeats):
            gemm(32, 96 // LANES, 256, a, 256, 1, w, 96, c, 96, c, 96)

    compiled, best = entry(product), 0.0
    arrays = [aligned_floats(n) for n in (32 * 256, 256 * 96, 32 * 96)]
    addresses = [address(a) for a in arrays]
    for _ in range(20):
        start = time.perf_counter()
        compiled(200, *addresses)
        best = max(best, 200 * 2 * 32 * 256 * 96 / (time.perf_counter() - start))
    return best


def floor_seconds(network, lengths, peak):
    """Return the time of the multiply-adds of one epoch: forward, dh, dW."""
    directions = 2 if network.bidirectional else 1
    n_inputs, hidden = network.n_inputs, network.hidden_size
    per_step = 3 * hidden * (2 * (n_inputs + hidden) + hidden)
    return 2 * directions * per_step * int(lengths.sum()) / peak


def main():
    """Print the table."""
    torch.set_num_threads(1)
    peak = measured_peak()
    print(machine(), f"peak {peak / 1e9:.0f} GFLOP/s")
    print("| problem | us a step | torch, us a step | ratio | times the floor |")
    print("|---|---|---|---|---|")
    for kind in (
        "windows, last state, squared error",
        "ragged, both directions, mean_max, 9 classes",
    ):
        data = problem(kind)
        ours, theirs, ratio = compare(kernel_epoch(*data), torch_epoch(*data), 6.0)
        steps = N // BATCH
        above = ours / floor_seconds(data[0], data[3], peak)
        print(f"| {kind} | {ours / steps * 1e6:.0f} | {theirs / steps * 1e6:.0f} |"
              f" **{ratio:.1f}** | {above:.2f} |")  # fmt: skip
    print(machine())


if __name__ == "__main__":
    main()
