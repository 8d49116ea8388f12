"""One layer of the kernels against torch.nn.GRU.

Training is forward and backward from the last state, through autograd on both sides;
inference is the forward pass without gradients. Both run in one process, one thread,
in turn; the figure is the median of the ratios of neighbouring runs, so that other
work on the machine touches both alike. Run it as
`python -m tests.benchmarks.bench_layer`.
"""

import copy
import os
import platform
import statistics
import time

import llvmlite
import numba
import numpy as np
import torch

from sklearn_gru._engines import numba as kernels
from sklearn_gru._engines.numba import Predictor
from sklearn_gru._engines.numba.autograd import KernelPool, dense_sequences, run_layers
from sklearn_gru._engines.numba.engine import flatten_parameters
from sklearn_gru._model.spec import NetworkSpec

# batch, steps, inputs, hidden, layers
SIZES = [
    (64, 24, 8, 32, 1),
    (32, 24, 1, 64, 1),
    (128, 96, 7, 128, 1),
    (256, 50, 16, 64, 2),
    (64, 336, 1, 64, 1),
    (16, 1000, 4, 32, 1),
    (1, 24, 8, 32, 1),
]
SECONDS = 2.0  # for each comparison
GEMM = (64, 256, 384)  # the product that measures the peak of the core


def compare(ours, theirs, seconds=SECONDS):
    """Return the median seconds of both and the median ratio, run in turn."""
    ours(), theirs()  # memory and caches
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        theirs()
        middle = time.perf_counter()
        ours()
        times.append((time.perf_counter() - middle, middle - start))
    ratio = statistics.median(b / a for a, b in times)
    return *(statistics.median(column) for column in zip(*times, strict=True)), ratio


def layer_of(size):
    """Return nn.GRU and the same weights as the kernels see them, with inputs."""
    n, n_steps, n_inputs, hidden, layers = size
    torch.manual_seed(0)
    gru = torch.nn.GRU(n_inputs, hidden, layers, batch_first=True)
    return (
        gru,
        NetworkSpec("gru", n_inputs, hidden, layers),
        torch.randn(n, n_steps, n_inputs),
    )


def bench_training(size):
    """Compare forward and backward from the last state."""
    gru, network, x = layer_of(size)
    mine = copy.deepcopy(gru)
    flatten_parameters(list(mine.parameters()))  # as the estimators do
    weights, sequences = list(mine.parameters()), dense_sequences(x)
    d_last, pool = torch.randn(size[0], size[3]), KernelPool(trains=True)

    def theirs():
        gru.zero_grad()
        gru(x)[1][-1].backward(d_last)

    def ours():
        mine.zero_grad()
        states = run_layers(network, weights, *sequences, all_steps=False, pool=pool)
        states[1].backward(d_last)

    return compare(ours, theirs)


def bench_inference(size):
    """Compare the forward pass alone; weights are packed once, as when predicting."""
    gru, network, x = layer_of(size)
    params = np.zeros(network.n_parameters, dtype=np.float32)
    flat = torch.cat([p.detach().reshape(-1) for p in gru.parameters()]).numpy()
    params[: flat.size] = flat
    predictor = Predictor(network, params)
    values, starts, lengths = dense_sequences(x)
    values = values.numpy()

    def theirs():
        with torch.inference_mode():
            return gru(x)[1]

    return compare(lambda: predictor.predict(values, starts, lengths), theirs)


def machine():
    """Return a line on versions, processor and load."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return (
        f"torch {torch.__version__}, numba {numba.__version__}, llvmlite "
        f"{llvmlite.__version__}, numpy {np.__version__}, Python "
        f"{platform.python_version()}; {platform.processor() or platform.machine()}, "
        f"{kernels.vector_unit()}, 1 thread, load {load:.1f}"
    )


def main():
    """Print the table."""
    torch.set_num_threads(1)
    print(machine())
    print("| batch, steps, inputs, hidden, layers | training: us, nn.GRU us, ratio |"
          " inference: us, nn.GRU us, ratio |")  # fmt: skip
    print("|---|---|---|")
    for size in SIZES:
        cells = []
        for bench in (bench_training, bench_inference):
            ours, theirs, ratio = bench(size)
            cells.append(f"{ours * 1e6:.0f}, {theirs * 1e6:.0f}, **{ratio:.1f}**")
        print(f"| {', '.join(map(str, size))} | {cells[0]} | {cells[1]} |")
    print(machine())


if __name__ == "__main__":
    main()
