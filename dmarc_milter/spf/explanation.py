"""exp= (RFC 7208 6.2): the sentence that a domain publishes for those whom it refuses. Asked for only to be shown."""

from dmarc_milter.common.reason import Unreadable
from dmarc_milter.common.text import plain
from dmarc_milter.dns.answer import AnswerOutcome, Resolver, text_records
from dmarc_milter.spf import macro
from dmarc_milter.spf.check import Explanation
from dmarc_milter.spf.validated import advised_name

MAX_SHOWN = 300
"""Characters. The text is a stranger's, and goes into an SMTP reply."""


async def explain(
    resolver: Resolver, explanation: Explanation, *, receiver: str = "unknown", now: int = 0
) -> str | None:
    """The published explanation, safe to show on one line, or None where there is none that can be read.

    `receiver` is the name of this host (``%{r}``), `now` seconds since 1970 (``%{t}``).
    """
    values = explanation.values._replace(receiver=receiver, timestamp=now)
    if macro.needs_validated_name(explanation.domain):
        values = await _with_validated_name(resolver, values)
    if macro.too_long(explanation.domain, values) is not None:
        return None
    name = macro.expand_domain(explanation.domain, values)
    answer = await text_records(resolver, name)
    if answer.outcome is not AnswerOutcome.RECORDS or len(answer.records) != 1:
        return None
    text = answer.records[0]
    parsed = macro.parse(text.decode("ascii"), explanation=True) if text.isascii() else None
    if parsed is None or isinstance(parsed, Unreadable):
        return None
    if macro.needs_validated_name(parsed):
        values = await _with_validated_name(resolver, values)
    if macro.too_long(parsed, values) is not None:
        return None
    return shown(macro.expand(parsed, values, MAX_SHOWN + 1))


async def _with_validated_name(resolver: Resolver, values: macro.MacroValues) -> macro.MacroValues:
    name = await advised_name(resolver, values.client_address, values.domain)
    return values._replace(validated_name=name)


def shown(text: str) -> str:
    """`text` as printable ASCII on one line, cut to MAX_SHOWN."""
    return plain(text, MAX_SHOWN)
