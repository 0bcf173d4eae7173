"""The settings file: one section, one frozen dataclass of plain values.

What a field may hold, its default and its documentation stand at the field. The checks (``reading``), the commented
file etc/dmarc-milter.toml and docs/settings.md are made of them. This package imports nothing of ours: what needs more
than strings, numbers and addresses is built above, by ``judging.site``.
"""
