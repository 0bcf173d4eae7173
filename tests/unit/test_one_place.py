"""What is done in one place, and nowhere else: text made harmless, addresses as people write them, verdicts walked."""

import ast
import re
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


def is_outcome_in_words(node: ast.AST) -> bool:
    """A table of what is done with a message: its words for actions."""
    if not isinstance(node, ast.Dict):
        return False
    keys = {each.value for each in node.keys if isinstance(each, ast.Constant)}
    return "tempfail" in keys and all(isinstance(each, ast.Constant) for each in node.values)


def test_what_was_done_has_its_words_in_one_place() -> None:
    assert found(is_outcome_in_words) == {"wording/actions.py"}, "use DONE of wording/actions.py"


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


TESTS = Path(__file__).parents[1]
IMPORTS_TESTS = re.compile(
    r"^\s*(?:from|import) tests\.(?:\w+\.)+test_\w+|^\s*from tests\.\w+ import test_\w+", re.MULTILINE
)
"""In strings too: some are the source of another process."""


def sources_beside_the_package() -> Iterator[tuple[str, str]]:
    root = TESTS.parent
    for folder in ("tests", "benchmarks", "fuzz", "script"):
        for path in (root / folder).rglob("*"):
            if path.is_file() and (path.suffix == ".py" or folder == "script"):
                yield str(path.relative_to(root)), path.read_text("utf-8", "replace")


def test_nobody_imports_a_test_module() -> None:
    """What tests share is in tests/support: whoever changes a test changes no other, and can read it by itself."""
    wrong = {name: IMPORTS_TESTS.findall(text) for name, text in sources_beside_the_package()}
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize(
    "source",
    [
        "from tests.unit.{} import record",
        "    from tests.unit.{} import record",
        "import tests.system.{}",
        "from tests.unit import {}",
        'CODE = """\nfrom tests.unit.{} import record\n"""',
    ],
)
def test_imports_of_test_modules_are_seen(source: str) -> None:
    assert IMPORTS_TESTS.search(source.format("test_journal"))
    assert not IMPORTS_TESTS.search(source.format("records"))


def test_unit_tests_need_no_server() -> None:
    """They import nothing of the tests that do, nor anything that imports these."""
    wrong = [
        f"{path.relative_to(TESTS)}: {node.module}"
        for path in (*(TESTS / "unit").glob("*.py"), *(TESTS / "support").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("tests.system", "tests.protocol"))
    ]
    assert wrong == []


def test_the_zone_of_this_process_is_set_where_it_is_undone() -> None:
    setting = {
        name
        for name, text in sources_beside_the_package()
        if name.endswith(".py") and any(called(node) == "tzset" for node in ast.walk(ast.parse(text)))
    }
    assert setting == {"tests/support/clock.py"}
