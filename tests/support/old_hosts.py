"""Hosts with the files of an old chain, and what migrate makes of them."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from dmarc_milter.migrating.migration import Migration, migrate
from dmarc_milter.migrating.tree import Tree
from dmarc_milter.settings import config

Files = Mapping[str, str]
"""By the path below the root."""
LISTS: Files = {"etc/hosts.list": "192.0.2.0/30\n!192.0.2.1\nmail.example.org\n", "etc/names.list": "a.example\n"}
"""Lists that options may name."""


def tree(folder: Path, files: Files) -> Tree:
    """A root with these files."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Tree(folder)


def found(folder: Path, files: Files) -> Migration:
    """What is told of them."""
    return migrate(tree(folder, files), "/x.toml")


def written(folder: Path, files: Files) -> dict[str, object]:
    """What is written, which our settings have to take."""
    migration = found(folder, files)
    assert migration.problems == ()
    data = tomllib.loads(migration.draft.text())
    config.parse(data)
    return data


def commands(migration: Migration, step: int) -> list[str]:
    """The lines of one step, 1 to 3."""
    return [each.line for each in migration.steps[step - 1].commands]
