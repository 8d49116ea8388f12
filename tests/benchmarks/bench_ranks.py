"""One model on two processes, and on one.

torchrun starts the processes. They fit in turn: the first alone while the second waits,
then both together (windows of 24 x 8, one thread per process); an epoch is the median of
those after the first. The result has the same bits. Seconds of the processor per rank
tell what two idle cores would give. A group of one process is compared with a fit
outside of it. An exchange is that of ranks on one machine, through sockets, and that of
others, through gloo, each after a millisecond and a half of computation on both cores.

The last table is a model, not a measurement: an epoch of N machines takes the measured
time of the computation divided by N, and for each step the time of an exchange.
"""

import subprocess
import sys
import time

import numpy as np
import torch.distributed as dist
from skorch.callbacks import Callback

from sklearn_gru import GRURegressor
from sklearn_gru._engines.numba import threads
from sklearn_gru._support.ranks import current
from sklearn_gru.distributed import data_parallel
from tests.benchmarks import rivals
from tests.benchmarks.machine import describe, use_one_thread

# hidden, batch, windows
SIZES = [(32, 128, 40_000), (32, 1024, 40_000), (128, 128, 8_000), (128, 1024, 8_192)]
EPOCHS, ROUNDS = 4, 5
EXCHANGE = 0.5e-3  # seconds of one in a data center, by assumption


class Clock(Callback):
    """Callback that notes the seconds of epochs, on the wall and of the processor."""

    def on_train_begin(self, net, **kwargs):
        self.wall, self.cpu = [], []

    def on_epoch_begin(self, net, **kwargs):
        self._began = time.perf_counter(), time.process_time()

    def on_epoch_end(self, net, **kwargs):
        self.wall.append(time.perf_counter() - self._began[0])
        self.cpu.append(time.process_time() - self._began[1])


def epoch(hidden, batch, X, y):
    """Fit; return the median seconds of an epoch: wall, processor."""
    clock = Clock()
    GRURegressor(
        hidden,
        batch_size=batch,
        max_iter=EPOCHS,
        dtype="float32",
        linear_share=0,
        normalization=None,
        random_state=0,
        callbacks=[clock],
    ).fit(X, y)
    return np.median(clock.wall[1:]), np.median(clock.cpu[1:])


def compare(hidden, batch, n, group):
    """Return the epochs (rounds, alone or together, wall or processor)."""
    X, y = rivals.windows(n, 24, 8)
    found = np.full((ROUNDS, 2, 2), np.nan)
    for k in range(ROUNDS):
        dist.barrier()
        if group.rank == 0:
            found[k, 0] = epoch(hidden, batch, X, y)
        dist.barrier()
        with data_parallel():
            found[k, 1] = epoch(hidden, batch, X, y)
    return found


def exchange(n_floats, *, gloo, repeats=300):
    """Return the mean seconds in which ranks exchange a gradient."""
    own = np.zeros(4 * n_floats, dtype=np.uint8)
    every, seconds = np.zeros((dist.get_world_size(), len(own)), dtype=np.uint8), []
    with data_parallel():
        ranks = current()
        if gloo:
            ranks.disconnect()
        for _ in range(repeats):
            end = time.perf_counter() + 1.5e-3
            while time.perf_counter() < end:
                own.sum()
            began = time.perf_counter()
            ranks.exchange(own, every)
            seconds.append(time.perf_counter() - began)
    return np.mean(seconds)


def measure():
    """Print the table; what every process of torchrun runs."""
    use_one_thread()
    dist.init_process_group("gloo")
    threads.worth_ranks = lambda *sizes: True  # also where it does not pay
    with data_parallel() as group:
        size = group.size
    steps = {}
    for hidden, batch, n in SIZES if size > 1 else SIZES[1:2]:
        found = compare(hidden, batch, n, group)
        if group.rank:
            continue
        alone, shared = np.median(found, axis=0)
        ratio = np.median(found[:, 0, 0] / found[:, 1, 0])
        print(
            f"{hidden:4d} units, batches of {batch:4d}: epoch alone {alone[0]:6.3f} s, "
            f"{size} ranks {shared[0]:6.3f} s, alone / shared {ratio:4.2f}; processor "
            f"{alone[1]:6.3f} and {shared[1]:6.3f} s a rank, at best "
            f"{alone[1] / shared[1]:4.2f}",
            flush=True,
        )
        steps[hidden, batch] = alone[1] * batch / n
    if size > 1:
        taken = {
            n: [1e3 * exchange(n, gloo=gloo) for gloo in (False, True)]
            for n in (4_000, 60_000)
        }
    if group.rank == 0 and size > 1:
        for n, (sockets, gloo) in taken.items():
            print(
                f"exchange of {n:5d} floats: {sockets:.2f} ms, through gloo {gloo:.2f}"
            )
        print_model(steps)
    dist.destroy_process_group()


def print_model(steps):
    """Print what more machines would give, from the measured seconds of a step."""
    print("\nmodel, not measured: times as fast on 2, 4, 8, 16 machines")
    for (hidden, batch), seconds in steps.items():
        times = [seconds / (seconds / n + EXCHANGE) for n in (2, 4, 8, 16)]
        line = "  ".join(f"{value:4.1f}" for value in times)
        print(f"{hidden:4d} units, batches of {batch:4d}: {line}")


def main():
    """Start the processes, and print what they print."""
    print(describe())
    for size in (2, 1):
        torchrun = ["-m", "torch.distributed.run", f"--nproc-per-node={size}"]
        done = subprocess.run(
            [sys.executable, *torchrun, "-m", __name__],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        print(done.stdout.rstrip())


if __name__ == "__main__":
    measure()
