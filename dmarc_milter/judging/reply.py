"""SMTP replies to messages that are not accepted, from the templates of the settings (pure)."""

import re
from dataclasses import dataclass, fields

from dmarc_milter import wording
from dmarc_milter.common.text import plain
from dmarc_milter.judging.verdict import Action, Disposition, Verdict
from dmarc_milter.settings.error import ConfigError
from dmarc_milter.settings.policy import ReplySection

MAX_TEXT = 480
"""Octets of the text of a reply (RFC 5321 4.5.3.1.5 leaves 512 for the line)."""
_MAX_VALUE = 200

PLACEHOLDERS = ("domain", "policy", "queue_id", "reason")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_TEMPLATE = re.compile(r"([45][0-9][0-9]) ([45]\.[0-9]{1,3}\.[0-9]{1,3}) ([ -~]{1,400})")


@dataclass(frozen=True, slots=True)
class Reply:
    """An SMTP reply: code, enhanced status code (RFC 3463) and text, all of them safe to send."""

    code: str
    enhanced: str
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced} {self.text}"


@dataclass(frozen=True, slots=True)
class ReplyTemplate:
    """A reply whose text may hold ``{domain}``, ``{policy}``, ``{queue_id}`` and ``{reason}``."""

    code: str
    enhanced: str
    text: str

    def fill(self, values: dict[str, str]) -> Reply:
        """The reply; whatever is put in is made printable ASCII, and the whole is cut to fit one line."""
        text = _PLACEHOLDER.sub(lambda match: plain(values[match.group(1)], _MAX_VALUE), self.text)
        return Reply(self.code, self.enhanced, plain(text, MAX_TEXT))


def template(text: str) -> ReplyTemplate:
    """Read ``550 5.7.1 Text``. Raises ValueError, whose text says what is wrong."""
    match = _TEMPLATE.fullmatch(text)
    if match is None:
        raise ValueError('has to be like "550 5.7.1 Refused by DMARC policy of {domain}", in ASCII on one line')
    found = ReplyTemplate(*match.groups())
    if found.code[0] != found.enhanced[0]:
        raise ValueError(f"has {found.code} and {found.enhanced}, which are of different classes (RFC 3463)")
    unknown = [name for name in _PLACEHOLDER.findall(found.text) if name not in PLACEHOLDERS]
    if unknown or "{" in _PLACEHOLDER.sub("", found.text) or "}" in _PLACEHOLDER.sub("", found.text):
        raise ValueError(f"may hold {', '.join('{' + name + '}' for name in PLACEHOLDERS)} and no other braces")
    return found


@dataclass(frozen=True, slots=True)
class ReplySettings:
    """The templates of ``[policy.reply]``, read."""

    reject: ReplyTemplate
    reject_without_author: ReplyTemplate
    reject_by_rule: ReplyTemplate
    tempfail: ReplyTemplate
    tempfail_by_rule: ReplyTemplate

    @classmethod
    def of(cls, section: ReplySection) -> "ReplySettings":
        """The templates of the settings. Raises ConfigError."""
        return cls(**{each.name: _of_setting(getattr(section, each.name), each.name) for each in fields(section)})


def _of_setting(text: str, key: str) -> ReplyTemplate:
    name = f"policy.reply.{key}"
    try:
        found = template(text)
    except ValueError as error:
        raise ConfigError(f"{name} {error}") from None
    wanted = "4" if key.startswith("tempfail") else "5"
    if found.code[0] != wanted:
        raise ConfigError(f"{name} has the code {found.code}; it has to begin with {wanted}")
    return found


def reply(verdict: Verdict, disposition: Disposition, settings: ReplySettings, queue_id: str = "") -> Reply | None:
    """The SMTP reply to a message that is refused or deferred, else None. `queue_id` is the MTA's name for it."""
    chosen = _template(verdict, disposition, settings)
    if chosen is None:
        return None
    policy = verdict.dmarc.policy
    return chosen.fill(
        {
            "domain": verdict.dmarc.author_domain or "unknown",
            "policy": policy.value if policy else "none",
            "queue_id": queue_id,
            "reason": wording.text(disposition.comment if disposition.rule else disposition.reason),
        }
    )


def _template(verdict: Verdict, disposition: Disposition, settings: ReplySettings) -> ReplyTemplate | None:
    if disposition.action is Action.TEMPFAIL:
        return settings.tempfail_by_rule if disposition.rule else settings.tempfail
    if disposition.action is not Action.REJECT:
        return None
    if disposition.rule:
        return settings.reject_by_rule
    return settings.reject if verdict.dmarc.author_domain else settings.reject_without_author
