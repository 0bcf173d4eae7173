"""The errors of this package."""


class ConfigError(Exception):
    """Settings that cannot be used; the text is one line that names the key."""


class NotPermittedError(ConfigError):
    """Whoever asks may not read the file."""
