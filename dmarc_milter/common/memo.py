"""Results of pure functions, kept within a bound of octets: what strangers send can not fill the memory with them."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K", bound=str | bytes)
V = TypeVar("V")

_SHARE = 8
"""A result that would take more than this part of the whole is not kept: it would throw out too many others."""


class Memo(Generic[K, V]):
    """`compute`, called once for each key as long as its result is kept. The oldest results give way.

    `octets` says what a key and its result take in memory; all that is kept takes at most `max_octets`. A key of more
    than `max_key` octets is not kept, nor looked up. Any thread may call it.
    """

    __slots__ = ("_compute", "_kept", "_lock", "_max_key", "_max_octets", "_octets", "_octets_of")

    def __init__(
        self, compute: Callable[[K], V], octets: Callable[[K, V], int], *, max_octets: int, max_key: int
    ) -> None:
        self._compute = compute
        self._octets_of = octets
        self._max_octets = max_octets
        self._max_key = max_key
        self._kept: dict[K, tuple[V, int]] = {}
        self._octets = 0
        self._lock = threading.Lock()

    def __call__(self, key: K) -> V:
        """The result for `key`: the one that is kept, else computed now. Raises what `compute` raises."""
        if len(key) > self._max_key:
            return self._compute(key)
        kept = self._kept.get(key)
        return kept[0] if kept is not None else self._computed(key)

    @property
    def octets(self) -> int:
        """What is kept now takes so much."""
        return self._octets

    def __len__(self) -> int:
        return len(self._kept)

    def _computed(self, key: K) -> V:
        value = self._compute(key)
        octets = self._octets_of(key, value)
        if octets * _SHARE <= self._max_octets:
            with self._lock:
                self._keep(key, value, octets)
        return value

    def _keep(self, key: K, value: V, octets: int) -> None:
        if key in self._kept:
            return
        while self._octets + octets > self._max_octets:
            self._octets -= self._kept.pop(next(iter(self._kept)))[1]
        self._kept[key] = value, octets
        self._octets += octets
