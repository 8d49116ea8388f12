"""Exchange of gradients among ranks on one machine, over sockets.

gloo receives in a thread of its own. Where every core computes, that thread may wait
several milliseconds for a core (see the table of ranks in docs/performance.md). Here
the thread that computes also sends and receives.
"""

from __future__ import annotations

import contextlib
import hmac
import secrets
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from sklearn_gru._support.ranks import Ranks

_LOCAL = "127.0.0.1"
_TOKEN = 16  # bytes
_PATIENCE = 5.0  # seconds to connect


class _Place(NamedTuple):
    """Machine and port of a rank, and the token that tells ranks from strangers."""

    machine: str
    port: int
    token: bytes


class Connections:
    """Sockets to all other ranks.

    Parameters
    ----------
    rank : int
        The number of this process.
    links : dict of int to socket
        A connection to each other rank.
    timeout : float
        Seconds to wait for another rank.
    """

    def __init__(
        self, rank: int, links: dict[int, socket.socket], timeout: float
    ) -> None:
        self.rank = rank
        self.size = len(links) + 1
        self._links = links
        self._number = 0
        for link in links.values():
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link.settimeout(timeout)

    def exchange(self, own: np.ndarray, every: np.ndarray) -> None:
        """Write the arrays (k,) of all ranks to `every` (size, k).

        In round r, the ranks whose numbers add up to r (modulo the size) form pairs.

        Raises
        ------
        OSError
            Another rank has ended, was silent, or exchanges something else.
        """
        if not self._links:
            raise ConnectionError("an exchange before this one was not completed")
        self._number += 1
        head = self._number.to_bytes(8, "little") + own.nbytes.to_bytes(8, "little")
        message, found = own.tobytes(), bytearray(own.nbytes)
        every[self.rank] = own
        try:
            for turn in range(self.size):
                peer = (turn - self.rank) % self.size
                if peer == self.rank:
                    continue
                self._swap(peer, head, message, found)
                every[peer] = np.frombuffer(found, dtype=own.dtype)
        except BaseException:
            self.close()  # the rest of a message must not be taken for another
            raise

    def _swap(self, peer: int, head: bytes, message: bytes, found: bytearray) -> None:
        """Send a message to a rank and receive one with the same head.

        The lower rank sends first, so that no two wait for the other to receive.
        """
        link = self._links[peer]
        if self.rank < peer:
            link.sendall(head + message)
        found_head = bytearray(len(head))
        _receive(link, found_head)
        if found_head != head:
            raise ConnectionError(f"rank {peer} is at another step")
        _receive(link, found)
        if self.rank > peer:
            link.sendall(head + message)

    def close(self) -> None:
        """End the connections, also for processes that were forked from this one."""
        for link in self._links.values():
            with contextlib.suppress(OSError):  # the other one was faster
                link.shutdown(socket.SHUT_RDWR)
            link.close()
        self._links = {}


def connect(ranks: Ranks, timeout: float) -> Connections | None:
    """Connect all ranks if they are on one machine; otherwise return None."""
    links: dict[int, socket.socket] = {}
    with _listener(ranks.size) as listener, contextlib.ExitStack() as resources:
        own = None
        if listener is not None:
            port = listener.getsockname()[1]
            own = _Place(socket.gethostname(), port, secrets.token_bytes(_TOKEN))
        places = ranks.gather(own)
        if all(place and own and place.machine == own.machine for place in places):
            # Another machine may have the same name, or this may be another container.
            with contextlib.suppress(OSError):
                for rank, link in _meet(ranks.rank, places, listener):
                    links[rank] = resources.enter_context(link)
        if not all(ranks.gather(len(links) == ranks.size - 1)):
            return None
        connections = Connections(ranks.rank, links, timeout)
        resources.pop_all()
    return connections


def _listener(size: int) -> Any:
    """Return a context with a socket that other ranks can connect to, or with None."""
    try:
        return socket.create_server((_LOCAL, 0), backlog=size)
    except OSError:  # this process may not have any more files, or no network
        return contextlib.nullcontext()


def _meet(
    rank: int, places: list[_Place], listener: socket.socket
) -> Iterator[tuple[int, socket.socket]]:
    """Yield a connection to each lower rank, then one from each higher rank."""
    for peer, place in enumerate(places[:rank]):
        link = socket.create_connection((_LOCAL, place.port), _PATIENCE)
        yield peer, link
        link.sendall(place.token + rank.to_bytes(4, "little"))
    waiting = set(range(rank + 1, len(places)))
    listener.settimeout(_PATIENCE)
    while waiting:
        link, _ = listener.accept()
        link.settimeout(_PATIENCE)
        hello = bytearray(_TOKEN + 4)
        with contextlib.suppress(OSError):
            _receive(link, hello)
        peer = int.from_bytes(hello[_TOKEN:], "little")
        if hmac.compare_digest(hello[:_TOKEN], places[rank].token) and peer in waiting:
            waiting.remove(peer)
            yield peer, link
        else:  # a stranger
            link.close()


def _receive(link: socket.socket, found: bytearray) -> None:
    """Fill an array with what comes."""
    left = memoryview(found)
    while left:
        n = link.recv_into(left)
        if not n:
            raise ConnectionError("the connection was closed")
        left = left[n:]
