"""What is measured of how work grows with the input: every parser and every fuzz target, over hostile alphabets.

Run under callgrind, this calls each of them with inputs of n, 4n and 16n octets; each call of MARK has callgrind write
down the instructions since the last one. Instructions count what C does too (regular expressions,
copies), and are the same on a busy machine, which no clock is.
"""

import contextlib
import gc
import importlib
import inspect
import json
import os
import pkgutil
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, get_type_hints

from dmarc_milter import arc, dkim, dmarc, message, spf
from dmarc_milter.common.text import plain, printable
from dmarc_milter.dkim import header as dkim_header
from dmarc_milter.dkim import key, signature
from dmarc_milter.dkim.signature import Canonicalization, Signature
from dmarc_milter.dmarc import report_destination, tree_walk
from dmarc_milter.dns import name, wire
from dmarc_milter.dns.answer import Question, RecordType
from dmarc_milter.fields import authentication_results as results_field
from dmarc_milter.message.header import Field, Header, split_message
from dmarc_milter.spf import evaluation as spf_evaluation
from dmarc_milter.spf.reasons import SpfReason
from fuzz.samples import SAMPLES
from fuzz.targets import NOW, TARGETS

MARK = os.getloadavg
"""A function of libc's name that nothing else calls: callgrind is told to look out for it."""

SIZE = 256
FACTORS = (1, 4, 16)
"""Twice n and four times n are within what a list or a regular expression grows by at once; these are not."""

UNITS = (
    (b" ", b"\r\n ", b"\v", b"a"),
    (b".", b";", b":", b"="),
    (b"(", b'"', b"\\", b"<"),
    (b"@", b"\xc3\xa9", b"a=;", b"%{h}"),
)
"""What inputs are made of, by repetition; those of a group are measured together."""

Call = Callable[[bytes], object]

_SIGNATURE = signature.parse(SAMPLES["dkim_signature"].replace(b"; t=1; x=2", b""), NOW)
assert isinstance(_SIGNATURE, Signature)
_WANTED = _SIGNATURE
_MAILBOX = report_destination.Mailbox("r@reports.example", "reports.example")
_QUESTION = Question("example.com", RecordType.TXT)
_ASKED = wire.query(_QUESTION, 1) or b""


def _tags_of(octets: bytes) -> dict[str, bytes]:
    return dict.fromkeys(("a", "b", "bh", "c", "d", "h", "i", "l", "q", "s", "t", "x"), octets)


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


CALLS: dict[str, Call] = {
    "spf.evaluation.identity": lambda octets: spf_evaluation.identity(_text(octets), _text(octets)),
    "spf.macro.parse": TARGETS["spf_macros"],
    "spf.record.parse": TARGETS["spf"],
    "dkim.header.canonical": lambda octets: [
        dkim_header.canonical(Field("X", octets), each) for each in Canonicalization
    ],
    "dkim.header.select": lambda octets: dkim_header.select(split_message(octets)[0], _text(octets).split(":")),
    "dkim.key.parse": TARGETS["dkim_key"],
    "dkim.key.usable": lambda octets: key.usable([octets], _WANTED),
    "dkim.signature.parse": TARGETS["dkim_signature"],
    "dkim.signature.parse_arc": lambda octets: signature.parse_arc(_tags_of(octets), NOW),
    "dkim.signature.parse_seal": lambda octets: signature.parse_seal(_tags_of(octets), NOW),
    "dkim.verification.prepare": TARGETS["dkim_signature"],
    "arc.chain.prepare": TARGETS["arc"],
    "arc.results.parse": TARGETS["sealed_results"],
    "dmarc.tree_walk.may_share_organizational_domain": lambda octets: tree_walk.may_share_organizational_domain(
        _text(octets), _text(octets)
    ),
    "dmarc.record.parse": TARGETS["dmarc"],
    "dmarc.report_destination.authorization_name": lambda octets: report_destination.authorization_name(
        _text(octets), "reports.example"
    ),
    "dmarc.report_destination.authorized": lambda octets: report_destination.authorized(
        "mailto:r@reports.example", _MAILBOX, "x.reports.example", [octets], report_destination.ReportTag.AGGREGATE
    ),
    "message.apparent.apparent_domains": TARGETS["apparent_authors"],
    "message.author.author": TARGETS["from_field"],
    "message.authserv_id.claims": TARGETS["foreign_results"],
    "message.encoded_word.decoded": TARGETS["encoded_words"],
    "message.header.split_message": TARGETS["message"],
    "message.mailing_list.mailing_list": TARGETS["mailing_list"],
    "message.received.handed_over": TARGETS["received"],
    "message.received.outermost": TARGETS["received"],
    "dns.name.to_identifier": TARGETS["identifier"],
    "dns.name.is_at_or_below": lambda octets: name.is_at_or_below(_text(octets), _text(octets)),
    "dns.wire.is_response": lambda octets: wire.is_response(_ASKED, _ASKED[:2] + octets),
    "dns.wire.answer": TARGETS["dns_packet"],
    "common.text.plain": lambda octets: plain(_text(octets), 1 << 20),
    "common.text.printable": lambda octets: printable(_text(octets), 1 << 20),
    "fields.authentication_results.unjudged": lambda octets: results_field.unjudged(
        _text(octets), SpfReason.UNKNOWN_CLIENT(because=_text(octets))
    ),
}
"""How those are called that need more than the text, and which fuzz target calls a parser already.

One of more than one argument that is not here makes a test fail."""

NO_PARSERS = {"fields.authentication_results.field_value"}
"""Its first argument is the operator's."""

_BY_TYPE: dict[object, Callable[[bytes], object]] = {
    bytes: lambda octets: octets,
    str: _text,
    Sequence[bytes]: lambda octets: [octets],
    dict[str, bytes]: _tags_of,
    Field: lambda octets: Field("X", octets),
    Header: lambda octets: split_message(octets)[0],
}


class Uncalled(NamedTuple):
    """A parser that nobody said how to call."""

    name: str


def parsers() -> Iterator[tuple[str, Call | Uncalled]]:
    """Every public function of the protocols that takes text or octets, or a field or header made of them."""
    modules = [
        importlib.import_module(f"dmarc_milter.{each}") for each in ("common.text", "fields.authentication_results")
    ]
    modules += [name, wire]
    for package in (spf, dkim, arc, dmarc, message):
        found = pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
        modules += [importlib.import_module(each.name) for each in found]
    for module in modules:
        for each in vars(module).values():
            if inspect.isfunction(each) and each.__module__ == module.__name__ and not each.__name__.startswith("_"):
                called = f"{module.__name__}.{each.__name__}".removeprefix("dmarc_milter.")
                if called not in NO_PARSERS and _takes_text(each):
                    yield called, CALLS.get(called) or _by_type(called, each)


def _takes_text(function: Callable[..., object]) -> bool:
    """Coroutines and what is given a resolver ask questions; fuzz targets have what they read."""
    hints = get_type_hints(function)
    parameters = inspect.signature(function).parameters.values()
    needed = [each.name for each in parameters if each.default is inspect.Parameter.empty]
    asks = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function) or "resolver" in needed
    return not asks and any(hints.get(each) in _BY_TYPE for each in needed)


def _by_type(called: str, function: Callable[..., object]) -> Call | Uncalled:
    first, *others = inspect.signature(function).parameters.values()
    make = _BY_TYPE.get(get_type_hints(function).get(first.name))
    if make is None or any(each.default is inspect.Parameter.empty for each in others):
        return Uncalled(called)
    return lambda octets: function(make(octets))


def _shortened(octets: bytes) -> None:
    text = octets.decode() + "\U0001f600"
    while text:
        text = text[1:]


_QUADRATIC = re.compile(rb"a*b")

CONTROLS: dict[str, Call] = {
    "linear": lambda octets: [each + 1 for each in octets],
    "sorted": lambda octets: sorted(octets),
    "a regular expression": _QUADRATIC.search,
    "copies": _shortened,
    "a search for each": lambda octets: [octets.count(b"b", start) for start in range(len(octets))],
}
"""Functions of known growth, which tell whether anything is measured at all."""


class Measure(NamedTuple):
    """What is measured as one: a function over the inputs of a group of units."""

    name: str
    opener: bytes
    units: tuple[bytes, ...]

    def inputs(self, size: int) -> list[bytes]:
        """The name is at the end: what another function was given may lie in a cache."""
        return [self.opener + (unit * size)[:size] + self.name.encode() for unit in self.units]


def plan() -> list[tuple[Measure, Call]]:
    """Everything that is measured, in order. Fuzz targets are also given inputs that begin like what they read."""
    targets = [
        (Measure(each, opener, units), target)
        for each, target in TARGETS.items()
        for opener in (b"", SAMPLES[each])
        for units in UNITS
    ]
    read = [
        (Measure(called, b"", units), call)
        for called, call in parsers()
        if not isinstance(call, Uncalled) and call not in TARGETS.values()
        for units in UNITS
    ]
    return targets + read + [(Measure(called, b"", (b"a",)), call) for called, call in CONTROLS.items()]


def _run(call: Call, inputs: list[bytes]) -> None:
    for octets in inputs:
        with contextlib.suppress(ValueError):
            call(octets)


def main() -> None:
    """Print what was measured, as JSON. MARK comes before all, and behind every size of each."""
    measures = plan()
    for measure, call in measures:
        _run(call, measure.inputs(SIZE // 2))
    prepared = [(call, measure.inputs(SIZE * factor)) for measure, call in measures for factor in FACTORS]
    gc.disable()
    MARK()
    for call, inputs in prepared:
        _run(call, inputs)
        MARK()
    print(json.dumps([[each.name, each.opener.decode("latin-1"), repr(each.units)] for each, _ in measures]))


if __name__ == "__main__":
    main()
