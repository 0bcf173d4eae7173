"""The form of a table of wordings."""

from collections.abc import Callable, Mapping

from dmarc_milter.common.reason import Reason, ReasonCode

MAX_VALUE = 255
"""Characters of a text in a sentence, unless its place says how many: ``{tag:40}``."""
OWN = "own"
"""``{comment:own}``: the operator wrote it in the settings, and it is shown as it is."""

Template = str
"""A sentence with parameters in braces. A reason among them is put into words; several are joined by ``;``."""

Wording = Template | Callable[[Reason], Template]
"""A template; or a function that chooses one, where that depends on the parameters."""

Wordings = Mapping[ReasonCode, Wording]
