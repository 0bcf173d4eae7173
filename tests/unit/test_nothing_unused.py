"""Nothing is kept that nobody uses: a name that a module defines is read somewhere in the project."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dmarc_milter

PACKAGE = Path(dmarc_milter.__file__).parent
PROJECT = PACKAGE.parent
WHO_MAY_USE = ("dmarc_milter", "tests", "benchmarks", "fuzz", "script")
CALLED_BY_OTHERS = frozenset(
    (
        "connection_made",  # asyncio
        "datagram_received",
        "do_GET",  # http.server
        "handle_error",
        "log_message",
        "service_actions",
        "send_400_response",  # uvicorn
    )
)


def defined(tree: ast.Module) -> Iterator[str]:
    """Functions, classes, constants of a module, and methods of its classes."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from (each.name for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (each.id for each in node.targets if isinstance(each, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def words() -> Counter[str]:
    """How often each name stands in code and templates."""
    found: Counter[str] = Counter()
    for folder in WHO_MAY_USE:
        for path in (PROJECT / folder).rglob("*"):
            if path.suffix in (".py", ".html") or path.parent.name == "script":
                found.update(re.findall(r"\w+", path.read_text()) if path.is_file() else ())
    return found


def test_what_a_module_defines_is_used() -> None:
    used = words()
    unused = [
        f"{path.relative_to(PROJECT)}: {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for name in defined(ast.parse(path.read_text()))
        if used[name] == 1 and not name.startswith("__") and name not in CALLED_BY_OTHERS
    ]
    assert not unused
