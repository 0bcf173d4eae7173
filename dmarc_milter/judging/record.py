"""What became of one message: one frozen value, told to log, metrics and journal alike."""

from dataclasses import dataclass

from dmarc_milter.judging.failure import FailureCase
from dmarc_milter.judging.policy import Mode
from dmarc_milter.judging.reply import Reply
from dmarc_milter.judging.verdict import Disposition, Envelope, Verdict


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """One message that reached its end."""

    time: float
    """Seconds since 1970."""
    queue_id: str
    """The MTA's name for the message (macro {i}), or NOQUEUE."""
    message_id: str | None
    envelope: Envelope
    mode: Mode
    disposition: Disposition
    verdict: Verdict | None = None
    """None for a message that was not judged: mail of our own users, or an error of ours."""
    reply: Reply | None = None
    seconds: float = 0.0
    """What the end of the message took in the filter, from the MTA's question to our answer."""
    seconds_waited: float = 0.0
    """Of that, waiting for the DNS."""
    dns_cache_hits: int = 0
    """Questions of this message that the cache answered."""
    is_error: bool = False
    """Whether the filter itself failed."""
    failure: FailureCase | None = None
    """What a failure report tells of it, where one is wanted."""
