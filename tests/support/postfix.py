"""Tests that need Postfix's own commands."""

import os
import shutil

import pytest

HAS_POSTFIX = shutil.which("postconf") is not None
needs_postfix = pytest.mark.skipif(
    # Where CI says that it must be there, they fail without it.
    not HAS_POSTFIX and not os.environ.get("DMARC_MILTER_REQUIRE_SYSTEM"),
    reason="Postfix's postconf is not installed",
)
