"""What is kept of results is bounded in octets, here and in every cache of the program."""

import functools
import importlib
import inspect
import pkgutil
import tracemalloc

import pytest

import dmarc_milter
from dmarc_milter.common.memo import Memo
from fuzz.samples import SAMPLES
from fuzz.targets import TARGETS


def memo(computed: list[str], max_octets: int = 8_000, max_key: int = 100) -> Memo[str, int]:
    def length(text: str) -> int:
        computed.append(text)
        return len(text)

    return Memo(length, lambda text, _: 100 * len(text), max_octets=max_octets, max_key=max_key)


def test_a_result_is_computed_once() -> None:
    computed: list[str] = []
    lengths = memo(computed)
    assert [lengths("a"), lengths("a"), lengths("bb")] == [1, 1, 2]
    assert computed == ["a", "bb"]


def test_the_oldest_gives_way() -> None:
    computed: list[str] = []
    lengths = memo(computed)
    for number in range(100, 200):
        lengths(str(number))
    assert lengths.octets <= 8_000
    assert len(lengths) == 26
    computed.clear()
    assert [lengths("199"), lengths("100")] == [3, 3]
    assert computed == ["100"]


@pytest.mark.parametrize("text", ["x" * 101, "x" * 11], ids=["a long key", "a result of more than an eighth"])
def test_what_is_too_large_is_not_kept(text: str) -> None:
    computed: list[str] = []
    lengths = memo(computed)
    assert lengths(text) == lengths(text) == len(text)
    assert computed == [text, text]
    assert len(lengths) == 0


MESSAGES, MOST = 15, 1 << 19
"""Octets that so many messages, each of which says something else, may leave behind in caches."""


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("size", [5_000, 60_000])
def test_nobody_fills_the_memory(name: str, size: int) -> None:
    """Texts, all different, that are as long as a sender can make them."""
    TARGETS[name](SAMPLES[name])
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(MESSAGES):
        TARGETS[name](SAMPLES[name] + b"%d" % number + b"x" * size)
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert kept < MOST


BOUNDED = {
    "dmarc_milter.dns.name._usual_identifier",
    "dmarc_milter.message.header._usual_key",
    "dmarc_milter.spf.macro._usual_name",
}
"""Caches by number of entries, each of whose keys has a bound: what they take at most is written there."""


def test_there_are_no_other_caches_by_number_of_entries() -> None:
    found = set()
    for module in pkgutil.walk_packages(dmarc_milter.__path__, "dmarc_milter."):
        if not module.name.endswith("__main__"):
            for name, each in vars(importlib.import_module(module.name)).items():
                if is_cache_by_arguments(each) and each.__module__ == module.name:
                    found.add(f"{module.name}.{name}")
    assert found == BOUNDED


def is_cache_by_arguments(value: object) -> bool:
    """What has no arguments keeps one result."""
    return isinstance(value, functools._lru_cache_wrapper) and bool(inspect.signature(value).parameters)
