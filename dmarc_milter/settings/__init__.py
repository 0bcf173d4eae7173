"""The settings file: one section, one dataclass."""
