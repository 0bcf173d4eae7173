"""The codes of all protocols: public, each with its words, and made with the parameters that its words name."""

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from dmarc_milter import wording
from dmarc_milter.common.reason import ReasonCode
from tests.support.reason_codes import CODES, ENUMERATIONS, PACKAGE, protocol

PINNED = Path(__file__).with_name("reason_codes.txt")


def test_enumerations_are_found() -> None:
    assert "DnsReason" in {each.__name__ for each in ENUMERATIONS}


def test_enumerations_stand_where_they_are_looked_for() -> None:
    """In a module ``reasons``, for whoever looks for one, and for these tests."""
    elsewhere = [
        f"{path.relative_to(PACKAGE)}: {node.name}"
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id == "ReasonCode" for base in node.bases)
        and path.name != "reasons.py"
    ]
    assert elsewhere == []


@pytest.mark.parametrize("code", CODES, ids=lambda code: f"{protocol(code)}/{code.value}")
def test_a_code_is_lower_case_and_has_words(code: ReasonCode) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", code.value)
    assert code in wording.WORDINGS, f"{code} has no line in the WORDINGS of its protocol's module in wording/"


@pytest.mark.parametrize("enumeration", ENUMERATIONS, ids=lambda each: each.__name__)
def test_no_two_members_share_a_code(enumeration: type[ReasonCode]) -> None:
    assert [name for name, member in enumeration.__members__.items() if member.name != name] == []


def test_no_words_without_a_code() -> None:
    assert [code for code in wording.WORDINGS if code not in CODES] == []


def test_codes_are_public() -> None:
    pinned = PINNED.read_text().split()
    now = sorted(f"{protocol(code)}/{code.value}" for code in CODES)
    gone = sorted(set(pinned) - set(now))
    assert not gone, (
        f"{gone} went away. Codes are public: JSON, the journal and the metrics carry them, and alerts compare them. "
        "Give a renamed code its old name back. One that nothing can come to any more is taken out of "
        f"{PINNED.name}, and CHANGELOG.md says so."
    )
    assert now == pinned, f"a new code is public from now on: add it to {PINNED.name}, in its order"


# What words name, and what a reason is made with


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, ast.parse(path.read_text())


def calls() -> Iterator[tuple[str, ReasonCode, set[str]]]:
    """Every place in which a reason is made: where, of which code, with the names of which parameters."""
    by_name = {each.__name__: each for each in ENUMERATIONS}
    for path, tree in sources():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            named = node.func.value
            enumeration = by_name.get(named.id if isinstance(named, ast.Name) else "")
            if enumeration is not None and node.func.attr in enumeration.__members__:
                place = f"{path.relative_to(PACKAGE)}:{node.lineno}"
                names = {each.arg or "**" for each in node.keywords}
                yield place, enumeration[node.func.attr], names


def named_by(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def test_a_reason_is_made_with_what_its_words_name() -> None:
    wrong = []
    for place, code, names in calls():
        words = wording.WORDINGS[code]
        last = words if isinstance(words, str) else words[-1]
        if not named_by(last) <= names:
            wrong.append(f"{place}: {code} is made with {sorted(names)}, its words name {sorted(named_by(last))}")
    assert wrong == []


# Nobody searches in what is said to people

SAID = frozenset(
    {"reason", "detail", "why", "note", "comment", "spf_reason", "dmarc_reason", "arc_reason", "from_reason"}
)
SEARCHES = frozenset({"startswith", "endswith", "find", "index", "count", "partition", "rpartition", "split"})


def is_said(node: ast.expr) -> bool:
    """Whether `node` is an attribute or a column that holds a reason, in words or as a value."""
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Constant) and node.slice.value in SAID
    return isinstance(node, ast.Attribute) and node.attr in SAID


def is_search(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        called = node.func
        is_of_re = isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "re"
        return (is_of_re and any(map(is_said, node.args))) or (
            isinstance(called, ast.Attribute) and called.attr in SEARCHES and is_said(called.value)
        )
    if not isinstance(node, ast.Compare):
        return False
    first, operator, second = node.left, node.ops[0], node.comparators[0]
    if isinstance(operator, ast.In | ast.NotIn):
        return is_said(second)
    is_text = any(isinstance(each, ast.Constant) and isinstance(each.value, str) for each in (first, second))
    return is_text and any(map(is_said, (first, second)))


@pytest.mark.parametrize(
    "source",
    [
        '"timeout" in answer.detail',
        'text not in row["dmarc_reason"]',
        'found.reason == "no record"',
        'disposition.reason.startswith("dmarc")',
        're.search("key", each["reason"])',
    ],
)
def test_a_search_is_seen(source: str) -> None:
    assert any(map(is_search, ast.walk(ast.parse(source))))


@pytest.mark.parametrize(
    "source",
    ["reason.code is DnsReason.TIMEOUT", "row['reason']", "step.note.code in (SpfReason.MATCH,)", "f(each.why)"],
)
def test_what_is_no_search(source: str) -> None:
    assert not any(map(is_search, ast.walk(ast.parse(source))))


def test_nobody_searches_in_reasons() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.expr) and is_search(node)
    ]
    assert found == [], "compare codes: a sentence may be reworded at any time"


HOSTILE = 'x"; dkim=pass header.d=\\\r\n\x00\x1b[31m\u202e\udcff{because}' + "z" * 70_000


@pytest.mark.parametrize("code", CODES, ids=lambda code: f"{protocol(code)}/{code.value}")
def test_whatever_a_sender_writes_is_harmless_in_every_sentence(code: ReasonCode) -> None:
    names = {piece.name for sentence in wording.SENTENCES[code] for piece in sentence if piece.name}
    is_own = any(piece.name and not piece.limit for sentence in wording.SENTENCES[code] for piece in sentence)
    said = wording.text(code(**dict.fromkeys(names, "by the operator" if is_own else HOSTILE)))
    assert re.fullmatch(r"[ !#-\[\]-~]*", said)
    assert len(said) <= 20_000


def test_only_the_operators_own_words_are_shown_as_they_are() -> None:
    own = {
        (protocol(code), piece.name)
        for code in CODES
        for sentence in wording.SENTENCES[code]
        for piece in sentence
        if piece.name and not piece.limit
    }
    assert own == {("judging", "rule"), ("judging", "text")}
