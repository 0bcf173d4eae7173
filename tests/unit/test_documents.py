"""What the documents name is there: links, modules, functions, settings, commands, options and metrics."""

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dmarc_milter.cli.main import make_parser
from dmarc_milter.settings.description import sections

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "dmarc_milter"
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
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


# Commands and their options


def options_of(parser: argparse.ArgumentParser) -> Iterator[tuple[str, set[str]]]:
    """Every command below `parser`, by its words, with the options that it takes."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                for words, options in options_of(below):
                    yield f"{name} {words}".strip(), options
    yield "", {option for action in parser._actions for option in action.option_strings}


COMMANDS = dict(options_of(make_parser()))
CALLED = re.compile(r"(?:^|sudo |/)dmarc-milter((?: [a-z][a-z-]*\b)+)([^|\n]*)")
OPTION = re.compile(r"(?:(?<=[ ,(])|^)--?[a-z][a-z-]*\b")


def spans(text: str) -> list[str]:
    """What a document shows as code: in a line, and whole indented lines, but for their remarks."""
    lines = re.findall(r"(?m)^    (?:\$ )?((?:\.venv/bin/)?dmarc-milter [a-z-]+.*)$", text)
    return [*CODE.findall(text), *(line.partition("  #")[0] for line in lines)]


def wrong_in(span: str) -> list[str]:
    """Commands and options in `span` that there are not."""
    called = CALLED.search(span)
    if called is None:
        # An option by itself is one of any command.
        every = set[str]().union(*COMMANDS.values())
        return [each for each in OPTION.findall(span)[:1] if span.startswith("--") and each not in every]
    words = called[1].split()
    command = next((" ".join(words[:end]) for end in (2, 1) if " ".join(words[:end]) in COMMANDS), None)
    if command is None:
        return [span]
    return [each for each in OPTION.findall(called[2]) if each not in COMMANDS[command]]


@pytest.mark.parametrize("name", TEXTS)
def test_commands_and_options(name: str) -> None:
    assert [each for span in spans(TEXTS[name]) for each in wrong_in(span)] == []


@pytest.mark.parametrize(
    ("span", "wrong"),
    [
        ("dmarc-milter trace 4X --since 1h", []),
        ("dmarc-milter attach postfix --dry-run", []),
        ("sudo dmarc-milter what-if", []),
        (".venv/bin/dmarc-milter serve --config x", []),
        ("--json", []),
        ("dmarc-milter traces", ["dmarc-milter traces"]),
        ("dmarc-milter trace 4X --ago 1h", ["--ago"]),
        ("dmarc-milter attach postfix --dry", ["--dry"]),
        ("--no-such-option FILE", ["--no-such-option"]),
    ],
)
def test_a_wrong_command_or_option_is_seen(span: str, wrong: list[str]) -> None:
    assert wrong_in(span) == wrong


def test_commands_are_found() -> None:
    assert sum("dmarc-milter " in span for text in TEXTS.values() for span in spans(text)) > 40
    assert {"trace", "attach", "report make", "what-if"} <= set(COMMANDS)


# Metrics


def metrics() -> set[str]:
    """The names that the program gives to what it counts."""
    found = set[str]()
    for folder, prefix in (("telemetry", "dmarc_milter_"), ("reporting", "dmarc_milter_report_")):
        for path in (PACKAGE / folder).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
                    if node.func.id in ("_counter", "_gauge") and texts:
                        found.add(prefix + str(texts[0]))
                    elif node.func.id in ("Counter", "Gauge", "Histogram") and texts:
                        found.add(str(texts[0]))
    return found


METRIC = re.compile(r"\bdmarc_milter_[a-z_]+")


@pytest.mark.parametrize("name", TEXTS)
def test_metrics(name: str) -> None:
    parts = ("_bucket", "_count", "_sum")
    named = set(METRIC.findall(TEXTS[name]))
    assert {each for each in named if each not in metrics() and not each.endswith(parts)} == set()


def test_every_metric_is_documented() -> None:
    assert len(metrics()) > 25
    assert metrics() - set(METRIC.findall(TEXTS["docs/operating.md"])) == set()


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
    listed = set((ROOT / "packaging/debian/dmarc-milter.docs").read_text("utf-8").split())
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= listed
