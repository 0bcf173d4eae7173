"""What is done in one place, and nowhere else: text made harmless, addresses as people write them, verdicts walked."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import dmarc_milter

PACKAGE = Path(dmarc_milter.__file__).parent


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield str(path.relative_to(PACKAGE)), ast.parse(path.read_text())


def called(node: ast.AST) -> str:
    """The name of the function or method that `node` calls."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def is_cleaning(node: ast.AST) -> bool:
    """Characters that are replaced one by one, by what they are: text that is made harmless."""
    if isinstance(node, ast.IfExp) and called(node.test) == "isprintable":
        # Another text where this one is not harmless.
        return not isinstance(node.orelse, ast.Constant) or isinstance(node.orelse.value, str)
    if called(node) == "sub" and isinstance(node, ast.Call):
        return any(isinstance(each, ast.Constant) and each.value in ("?", b"?") for each in node.args)
    # Escapes of Python are no escapes of a log, a terminal or a header field.
    return called(node) in ("repr", "ascii", "unicode_escape") or (
        called(node) == "encode" and isinstance(node, ast.Call) and any(map(is_lossy, node.args))
    )


def is_lossy(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value in (
        "replace",
        "backslashreplace",
        "ignore",
        "xmlcharrefreplace",
    )


def is_address_as_text(node: ast.AST) -> bool:
    """``str(ip_address(...))``"""
    if isinstance(node, ast.FormattedValue):
        return called(node.value) == "ip_address"
    if not isinstance(node, ast.Call) or not node.args:
        return False
    return called(node) == "str" and called(node.args[0]) == "ip_address"


CLEANING = {
    "common/text.py": "the place",
    "message/apparent.py": "reads names as readers show them; what it finds is compared",
    "message/encoded_word.py": "decodes what may be badly encoded",
    "service/socket_store.py": "a digest of an address of ours",
    "settings/changes.py": "a digest of the settings",
    "settings/database_url.py": "never shows a password",
}
"""Who else does so, and why that is no text made harmless."""
ADDRESSES = {
    "common/network.py": "the place",
    "settings/addresses.py": "how the operator may write an address",
}


def found(is_such: Callable[[ast.AST], bool]) -> set[str]:
    return {name for name, tree in modules() if any(map(is_such, ast.walk(tree)))}


def test_senders_text_is_made_harmless_in_one_place() -> None:
    assert found(is_cleaning) == set(CLEANING), "use plain or printable of common/text.py"


def test_addresses_become_text_in_one_place() -> None:
    assert found(is_address_as_text) == set(ADDRESSES), "use address_text of common/network.py"


def test_whoever_tells_reads_rows() -> None:
    """Only the table walks a record. Our fields are no telling, and `check` shows below a line how that came about."""
    telling = ("journal/", "telemetry/")
    walking = {
        name
        for name, tree in modules()
        if name.startswith(telling)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").endswith(("judging.verdict", "judging.record"))
    }
    assert walking == set()


@pytest.mark.parametrize(
    "source",
    [
        'text if text.isprintable() else "?"',
        '"".join(each if each.isprintable() else "?" for each in text)',
        'pattern.sub("?", text)',
        "repr(value)",
        'text.encode("ascii", "replace")',
    ],
)
def test_cleaning_is_seen(source: str) -> None:
    assert any(map(is_cleaning, ast.walk(ast.parse(source))))


@pytest.mark.parametrize("source", ["str(ip_address(octets))", 'f"{ipaddress.ip_address(octets)}/24"'])
def test_addresses_are_seen(source: str) -> None:
    assert any(map(is_address_as_text, ast.walk(ast.parse(source))))


def test_what_tests_share_is_in_support() -> None:
    """A unit test needs no server: it imports nothing of the tests that do, nor anything that imports these."""
    tests = Path(__file__).parents[1]
    wrong = [
        f"{path.relative_to(tests)}: {node.module}"
        for path in (*(tests / "unit").glob("*.py"), *(tests / "support").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("tests.system", "tests.protocol"))
    ]
    assert wrong == []
