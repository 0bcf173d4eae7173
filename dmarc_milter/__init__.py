"""dmarc-milter: one mail filter for SPF, DKIM, ARC and DMARC.

For other programs: :func:`evaluate` judges one message as the filter does, with :class:`Dns` and :class:`Envelope`.
"""

from typing import TYPE_CHECKING

from dmarc_milter.common.version import VERSION

if TYPE_CHECKING:
    from dmarc_milter.api import Dns, Evaluated, evaluate
    from dmarc_milter.judging.verdict import Envelope

__version__ = VERSION

__all__ = ["Dns", "Envelope", "Evaluated", "__version__", "evaluate"]


def __getattr__(name: str) -> object:
    # Loaded when asked for: the command's --help need not wait for it.
    if name == "Envelope":
        from dmarc_milter.judging.verdict import Envelope

        return Envelope
    if name in __all__:
        from dmarc_milter import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
