"""One message: what both chains said of it, compared method by method."""

from dmarc_milter.comparing import dmarc, signatures, spf
from dmarc_milter.comparing.facts import Compared, Facts, Uncomparable
from dmarc_milter.comparing.told import Told


def compare(old: Told, new: Told, facts: Facts) -> list[Compared | Uncomparable]:
    """SPF, DKIM, DMARC and ARC, in this order."""
    below = [*spf.compare(old, new, facts), *signatures.compare(old, new, facts)]
    return [*below, *dmarc.compare(old, new, facts, below), *signatures.compare_arc(old, new, facts)]
