"""Moments as options of commands."""

import argparse
import time as clock

from dmarc_milter.common.moments import FORMS, local, moment, told, written, zone

__all__ = ["FORMS", "local", "moment", "option", "told", "written", "zone"]


def option(text: str) -> float:
    """:func:`moment`, by the clock, as the type of an option."""
    try:
        return moment(text, clock.time())
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
