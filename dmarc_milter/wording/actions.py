"""What is done with a message, in words."""

from collections.abc import Mapping

DONE: Mapping[str, str] = {
    "accept": "accepted",
    "quarantine": "quarantined",
    "reject": "refused",
    "tempfail": "deferred",
}
"""By the value of an ``Action``, as the journal and JSON have it: a message was, is or would be so."""
