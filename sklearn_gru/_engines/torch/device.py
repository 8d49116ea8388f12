"""Device, seeds and threads of a fit.

A fit leaves no global state changed. Random numbers come from separate generators,
because the global one is shared by all threads, and forking it is not enough under
joblib's threading backend. The number of torch threads is restored in every thread that
changed it, in whatever order fits begin and end.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from joblib.parallel import get_active_backend

from sklearn_gru.exceptions import InvalidParameterError

# Of the normal numbers. By name, so that it is divided when it is asked for.
_SMALLEST = sys.float_info.min


def resolve_device(device: str) -> torch.device:
    """Return the torch device of that name; "auto" is CUDA if available, else CPU."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    resolved = torch.device(device)
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise InvalidParameterError(
            f"device={device!r}, but PyTorch sees no CUDA device here. Use "
            "device='auto' or device='cpu'."
        )
    return resolved


class RandomStream:
    """Random generator of one fit, which can be pickled in its current state."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self.generator = torch.Generator(device=device).manual_seed(seed)

    def __getstate__(self) -> dict[str, Any]:
        return {"state": self.generator.get_state().cpu().numpy().tobytes()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # The state of another device's generator differs in length: start over then.
        self.generator = torch.Generator()
        raw = torch.frombuffer(bytearray(state["state"]), dtype=torch.uint8)
        if raw.shape == self.generator.get_state().shape:
            self.generator.set_state(raw)

    def draw(self) -> int:
        """Draw a seed for another generator."""
        return int(self.draw_many(1))

    def draw_many(self, n: int) -> torch.Tensor:
        """Draw n seeds; on the CPU, they are the same as if drawn one by one."""
        at = self.generator.device
        return torch.randint(2**62, (n,), generator=self.generator, device=at)

    def to(self, device: torch.device) -> None:
        """Move to a device, seeded by the next number of the old generator."""
        if self.generator.device.type != device.type:
            seed = self.draw()
            self.generator = torch.Generator(device=device).manual_seed(seed)


def spawn_seeds(seed: int, n: int) -> list[int]:
    """Return `n` independent seeds derived from one seed."""
    return [int(s) for s in np.random.SeedSequence(seed).generate_state(n, np.uint32)]


def member_seed(seed: int, number: int) -> int:
    """Return the seed of a network among several; the first one keeps the given seed.

    It does not depend on how many there are.
    """
    if number == 0:
        return seed
    spawned = np.random.SeedSequence(seed, spawn_key=(number,))
    return int(spawned.generate_state(1, np.uint32)[0])


_threads_lock = threading.Lock()
_threads_users = 0
_threads_before = 1
_in_this_thread = threading.local()


class torch_threads:
    """Context with `n` torch threads; afterwards, the thread has as many as before.

    With OpenMP each thread has a number of its own, and takes the one that was set last
    in any thread when it first asks. A thread that asks for the first time while others
    run with `n` gets back the number from before all of them.

    Small recurrent products lose more by distributing work than they gain from a second
    core, and oversubscribed cores are much slower. The context is the number of threads
    that the kernels may use. This is torch's previous number, which is 1 while another
    user is active; it is also 1 in workers of joblib, which limits torch in its
    processes but not in its threads.
    """

    def __init__(self, n: int) -> None:
        self.n = n

    def __enter__(self) -> int:
        global _threads_users, _threads_before
        depth = getattr(_in_this_thread, "depth", 0)
        with _threads_lock:
            mine = torch.get_num_threads()
            if _threads_users == 0:
                _threads_before = mine
            borrowed = depth == 0 and _threads_users > 0 and mine == self.n
            self._before = _threads_before if borrowed else mine
            _threads_users += 1
            _in_this_thread.depth = depth + 1
            torch.set_num_threads(self.n)
        # To ask joblib takes as long as a small network.
        return 1 if mine == 1 or get_active_backend()[0].nesting_level else mine

    def __exit__(self, *error: Any) -> None:
        global _threads_users
        with _threads_lock:
            _threads_users -= 1
            _in_this_thread.depth -= 1
            torch.set_num_threads(self._before)


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Treat denormal numbers as zero in this thread; on x86 each takes 100 cycles.

    Gradients that vanish over hundreds of steps contain many of them: a backward pass
    of nn.GRU through 336 steps took 240 ms instead of 60 (Xeon, torch 2.13).
    """
    before = _SMALLEST / 2 == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)
