"""Options that several subcommands have."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dmarc_milter.settings.location import DEFAULT_PATH

if TYPE_CHECKING:
    from dmarc_milter.settings.database_url import DatabaseUrl


def add_config(parser: argparse.ArgumentParser, config_help: str | None = None) -> None:
    """--config: the same file by default for every command."""
    usual = f"settings (default: {DEFAULT_PATH}, if it is there)"
    parser.add_argument("--config", type=Path, metavar="FILE", help=config_help or usual)


def add_journal(parser: argparse.ArgumentParser, config_help: str | None = None) -> None:
    """--config and --journal."""
    add_config(parser, config_help)
    parser.add_argument(
        "--journal", type=_database, metavar="URL", help="the journal's database, instead of that of the settings"
    )


def _database(text: str) -> "DatabaseUrl":
    """As the type of an option: what argparse itself would say of a wrong one shows its password."""
    from dmarc_milter.settings.database_url import database_url

    try:
        return database_url(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_color(parser: argparse.ArgumentParser) -> None:
    """--color"""
    parser.add_argument("--color", choices=["auto", "always", "never"], default="auto", help="default: auto")


def positive(text: str) -> int:
    """A whole number from 1 up, as the type of an option."""
    if not text.isdecimal() or not 0 < int(text) < 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 up")
    return int(text)
