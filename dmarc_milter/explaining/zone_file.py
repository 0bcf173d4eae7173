"""Answers as a zone file, so that a report of a problem carries its DNS."""

from collections.abc import Iterable, Mapping
from typing import Any

from dmarc_milter.common.network import address_text
from dmarc_milter.dns.answer import Answer, AnswerOutcome, Question, RecordType
from dmarc_milter.dns.zone import ZoneResolver

FAILING = "; failing: "
"""Begins the line for a name whose look-up failed; the rest of the file is a master file (RFC 1035 5)."""
_STRING = 250


def write(answers: Mapping[Question, Answer[Any]]) -> str:
    """A file from which :func:`read` gives the same answers."""
    lines = ["; answers of the DNS, saved by dmarc-milter check", "$TTL 300"]
    failing = []
    for question, answer in sorted(answers.items(), key=lambda each: (each[0].name, each[0].type.value)):
        name = f"{question.name}."
        if answer.outcome is AnswerOutcome.TEMPORARY_FAILURE:
            failing.append(f"{FAILING}{question.name}")
        elif answer.outcome is AnswerOutcome.NO_DATA:
            # The name exists, with something that nobody asks for.
            lines.append(f'{name} IN HINFO "no" "such records"')
        lines += [f"{name} IN {question.type.name} {_presented(question, record)}" for record in answer.records]
    return "\n".join([*lines, *dict.fromkeys(failing), ""])


def _presented(question: Question, record: bytes | str) -> str:
    if isinstance(record, str):
        return f"10 {record}." if question.type is RecordType.MX else f"{record}."
    if question.type is not RecordType.TXT:
        return address_text(record)
    parts = [record[start : start + _STRING] for start in range(0, len(record), _STRING)] or [b""]
    return " ".join(f'"{_escaped(part)}"' for part in parts)


def _escaped(part: bytes) -> str:
    return "".join(chr(each) if 32 <= each < 127 and each not in b'"\\;' else f"\\{each:03d}" for each in part)


def read(text: str) -> ZoneResolver:
    """Raises dns.zone.ZoneError."""
    failing = frozenset(_failing(text.splitlines()))
    return ZoneResolver.from_text(text, failing)


def _failing(lines: Iterable[str]) -> list[str]:
    return [line.removeprefix(FAILING).strip().lower() for line in lines if line.startswith(FAILING)]
