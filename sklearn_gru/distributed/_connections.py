"""Exchange of gradients among ranks on one machine, over sockets.

gloo receives in a thread of its own. Where every core computes, that thread waits for
one, up to some milliseconds (see the table of ranks in docs/performance.md). Here the
thread that computes sends and receives, too.
"""

from __future__ import annotations

import contextlib
import hmac
import secrets
import socket
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sklearn_gru._support.ranks import Ranks

_LOCAL = "127.0.0.1"
_TOKEN = 16  # bytes
_PATIENCE = 5.0  # seconds to connect


class _Place(NamedTuple):
    """Where a rank listens, and the token that tells the ranks from strangers."""

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

        In round k, the ranks whose numbers add up to k (modulo the size) form pairs.

        Raises
        ------
        OSError
            Another rank has ended, was silent, or exchanges something else.
        """
        self._number += 1
        number = self._number.to_bytes(8, "little")
        message = number + own.tobytes()
        found = bytearray(len(message))
        every[self.rank] = own
        try:
            for turn in range(self.size):
                peer = (turn - self.rank) % self.size
                if peer == self.rank:
                    continue
                self._swap(peer, message, found)
                if found[:8] != number:
                    raise ConnectionError(f"rank {peer} is at another step")
                every[peer] = np.frombuffer(found, dtype=own.dtype, offset=8)
        except BaseException:
            self.close()  # the rest of a message must not be taken for another
            raise

    def _swap(self, peer: int, message: bytes, found: bytearray) -> None:
        """Send a message to a rank and receive one of the same size.

        The lower rank sends first, so that no two wait for the other to receive.
        """
        link = self._links[peer]
        if self.rank < peer:
            link.sendall(message)
            _receive(link, found)
        else:
            _receive(link, found)
            link.sendall(message)

    def close(self) -> None:
        """End the connections."""
        for link in self._links.values():
            link.close()


def connect(ranks: Ranks, timeout: float) -> Connections | None:
    """Connect all ranks if they are on one machine; otherwise return None."""
    listener = socket.create_server((_LOCAL, 0), backlog=ranks.size)
    with listener, contextlib.ExitStack() as resources:
        port = listener.getsockname()[1]
        own = _Place(socket.gethostname(), port, secrets.token_bytes(_TOKEN))
        places = ranks.gather(own)
        links: dict[int, socket.socket] = {}
        if all(place.machine == own.machine for place in places):
            with contextlib.suppress(OSError):  # a namesake, or another container
                for rank, link in _meet(ranks.rank, places, listener):
                    links[rank] = resources.enter_context(link)
        if not all(ranks.gather(len(links) == ranks.size - 1)):
            return None
        resources.pop_all()
    return Connections(ranks.rank, links, timeout)


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
