"""What the documents name is there: links, modules, functions and settings."""

import ast
import re
from pathlib import Path

import pytest

from dmarc_milter.cli.main import make_parser
from dmarc_milter.settings.description import sections

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "dmarc_milter"
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DOCUMENTS = [*GUIDES, ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
TEXTS = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in DOCUMENTS}
GUIDE_NAMES = [str(path.relative_to(ROOT)) for path in GUIDES]

LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")


# Links


def links(name: str) -> list[str]:
    """Targets within the repository, blocks of code left out."""
    text = re.sub(r"(?ms)^```.*?^```", "", TEXTS[name])
    return [target for target in LINK.findall(text) if "://" not in target and not target.startswith("mailto:")]


def anchors(text: str) -> set[str]:
    """The names that headings have, as forges make them."""
    found: set[str] = set()
    for heading in re.findall(r"(?m)^#+ +(.+)$", text):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        found.add(re.sub(r"[^\w\- ]", "", words).replace(" ", "-"))
    return found


@pytest.mark.parametrize("name", TEXTS)
def test_links_hold(name: str) -> None:
    for target in links(name):
        path, _, anchor = target.partition("#")
        file = ((ROOT / name).parent / path).resolve() if path else ROOT / name
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text("utf-8")), target


def test_every_document_can_be_reached() -> None:
    reached, waiting = set[str](), ["README.md", "ARCHITECTURE.md"]
    while waiting:
        name = waiting.pop()
        if name in reached or name not in TEXTS:
            continue
        reached.add(name)
        folder = (ROOT / name).parent
        waiting += [str((folder / each.partition("#")[0]).resolve().relative_to(ROOT)) for each in links(name)]
    assert reached == set(TEXTS)


# Modules and functions


def modules() -> list[str]:
    paths = (str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))
    return sorted(path for path in paths if Path(path).name not in ("__init__.py", "__main__.py"))


def rows() -> list[str]:
    """What the first column of the table of layers names: modules, and packages with a slash at the end."""
    table = TEXTS["ARCHITECTURE.md"].partition("\n## Layers")[2].partition("\n## ")[0]
    return [
        name for line in table.splitlines() if line.startswith("| `") for name in CODE.findall(line.split(" | ")[0])
    ]


@pytest.mark.parametrize("module", modules())
def test_every_module_has_a_row(module: str) -> None:
    assert any(module == row or (row.endswith("/") and module.startswith(row)) for row in rows())


def test_every_row_names_what_is_there() -> None:
    assert len(rows()) > 40
    assert [row for row in rows() if not (PACKAGE / row).exists()] == []


def defined(path: Path) -> set[str]:
    """Functions, classes, methods and constants of a module."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def answers() -> list[str]:
    section = TEXTS["ARCHITECTURE.md"].partition("\n## Where is")[2].partition("\n## ")[0]
    return re.findall(r"(?ms)^- (.*?)(?=^- |\Z)", section)


def found_at(path: str) -> Path:
    """A path as ARCHITECTURE writes it: within the package, or within the repository."""
    return PACKAGE / path if (PACKAGE / path).exists() else ROOT / path


@pytest.mark.parametrize("answer", answers(), ids=lambda answer: " ".join(re.findall(r"\w+", answer)[:6]))
def test_an_answer_names_what_is_there(answer: str) -> None:
    paths = [found_at(each) for each in CODE.findall(answer) if re.fullmatch(r"[\w/.-]+\.\w+|[\w/-]+/", each)]
    assert paths
    assert [path for path in paths if not path.exists()] == []
    names = set[str]().union(*(defined(path) for path in paths if path.suffix == ".py"))
    called = [each.split(".") for each in CODE.findall(answer) if re.fullmatch(r"[A-Za-z_.]+\(\)|[A-Z_]{4,}", each)]
    assert [parts for parts in called if not {part.removesuffix("()") for part in parts} <= names] == []


def test_there_are_answers() -> None:
    assert len(answers()) >= 10


# Settings


SETTINGS = {section.path: {setting.name for setting in section.settings} for section in sections()}
SETTING = re.compile(r"\[{1,2}([a-z_.]+)\]{1,2}(?: ([a-z_]+))?\b[^`]*")


@pytest.mark.parametrize("name", GUIDE_NAMES)
def test_settings(name: str) -> None:
    """As `[section] setting`, and as `setting = value`."""
    every = set[str]().union(*SETTINGS.values())
    for code in CODE.findall(TEXTS[name]):
        in_section = SETTING.fullmatch(code)
        if in_section:
            section, setting = in_section.groups()
            assert section in SETTINGS, code
            assert setting is None or setting in SETTINGS[section], code
        with_value = re.fullmatch(r"([a-z_]+) = (?:\[.*\]|\".*\"|\d+|true|false)", code)
        assert with_value is None or with_value[1] in every, code


# Words


BANNED = (
    "CPU a message",  # per message
    "seconds a message",
    "a message a second",
    "to the letter",
    "and again.",
    "is a place for them",
    "scene",
    "surroundings",
    "leverage",
    "seamless",
    "state of the art",
    "state-of-the-art",
    "blazing",
    "world-class",
)
"""What readers stumbled over, and praise, which is not for documents to say."""


def commands_help() -> str:
    """What `--help` of the command says."""
    return make_parser().format_help()


@pytest.mark.parametrize("phrase", BANNED)
def test_banned_phrases(phrase: str) -> None:
    texts = TEXTS | {"--help": commands_help()}
    pattern = re.compile(r"\b" + r"\s+".join(map(re.escape, phrase.split())), re.IGNORECASE)
    assert [name for name, text in texts.items() if pattern.search(text)] == []


def test_every_page_goes_with_the_package() -> None:
    listed = set((ROOT / "packaging/debian/docs").read_text("utf-8").split())
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= listed
