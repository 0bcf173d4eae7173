"""Where the settings file lies unless a command is told otherwise."""

from pathlib import Path

DEFAULT_PATH = Path("/etc/dmarc-milter/dmarc-milter.toml")
