"""Every code of every protocol, found where its enumeration has to stand."""

import importlib
import pkgutil
from pathlib import Path

import dmarc_milter
from dmarc_milter.common.reason import ReasonCode

PACKAGE = Path(dmarc_milter.__file__).parent


def enumerations() -> list[type[ReasonCode]]:
    """Those of every package that has a module ``reasons``."""
    found = []
    for package in pkgutil.iter_modules([str(PACKAGE)], "dmarc_milter."):
        if package.ispkg and (PACKAGE / package.name.rpartition(".")[2] / "reasons.py").exists():
            module = importlib.import_module(f"{package.name}.reasons")
            found += [
                each for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__
            ]
    return [each for each in found if issubclass(each, ReasonCode)]


ENUMERATIONS = enumerations()
CODES = [code for each in ENUMERATIONS for code in each]


def protocol(code: ReasonCode) -> str:
    """The package that `code` belongs to: spf, dkim …"""
    return type(code).__module__.split(".")[1]
