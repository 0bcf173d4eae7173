"""A summary for people, in 80 columns."""

from collections.abc import Iterable, Iterator, Sequence

from dmarc_milter.cli.moments import local, zone
from dmarc_milter.cli.summary.as_json import dead
from dmarc_milter.common.terminal import Severity, painted, severity_of
from dmarc_milter.common.text import printable
from dmarc_milter.journal.figures import Figure, Figures, Summary
from dmarc_milter.journal.rollups import HOUR
from dmarc_milter.journal.summary_words import KINDS, METHODS, NO_FROM, NO_NETWORK, RANK, change
from dmarc_milter.wording.actions import DONE

WIDTH = 80
MAX_BARS = 48
_BARS = ".:-=+*#%@"
_CUT = ".."


def tell(found: Summary, rules: Sequence[str], author_domain: str | None, *, is_coloured: bool = False) -> str:
    """All of it, each line ended. `rules` are those of the settings."""
    sections = [
        _head(found, author_domain),
        _done(found, is_coloured=is_coloured),
        *(_results(name, found, is_coloured=is_coloured) for name in METHODS),
        _domains(found),
        _networks(found),
        _lists(found),
        _rules(found, rules if author_domain is None else (), is_coloured=is_coloured),
        _notes(found),
    ]
    paragraphs = ("".join(f"{line.rstrip()}\n" for line in section) for section in sections)
    return "\n".join(each for each in paragraphs if each)


def about(found: Summary) -> str:
    """In one line."""
    done = found.done
    counted = ", ".join(f"{done[each].now:,} {DONE[each]}" for each in ("reject", "quarantine", "tempfail"))
    return f"{found.all.now:,} messages since {_minute(found.period.since)}: {counted}"


def _minute(seconds: float) -> str:
    return local(seconds).strftime("%Y-%m-%d %H:%M")


def _head(found: Summary, author_domain: str | None) -> Iterator[str]:
    period = found.period
    when = f"{_minute(period.since)} to {_minute(period.until)} {zone(period.until)}"
    mode = f"mode {' and '.join(found.modes)}" if found.modes else "no mail"
    hosts = ", ".join(printable(each, WIDTH) for each in found.hosts)
    room = WIDTH - len(when) - len(mode) - 4
    where = hosts if len(hosts) <= room else f"{len(found.hosts)} hosts" if len(found.hosts) > 1 else cut(hosts, room)
    yield f"{when}{where:>{room + 2}}  {mode}"
    if author_domain is not None:
        yield f"only mail of {author_domain}"
    if found.all.now:
        yield from _hourly(found)


def _hourly(found: Summary) -> Iterator[str]:
    hours = found.hourly
    step = -(-len(hours) // MAX_BARS)
    counts = [sum(count for _, count in hours[start : start + step]) for start in range(0, len(hours), step)]
    most = max(counts)
    if len(counts) < 2 or not most:
        return
    bars = "".join(" " if not each else _BARS[(each * len(_BARS) - 1) // most] for each in counts)
    each = "per hour" if step == 1 else f"{step} hours"
    yield f"{each:<8} {bars}   most {most:,}, from {local(hours[counts.index(most) * step][0]):%H:%M}"


class _Rows:
    """Rows of figures with their shares, and what they were before, where there was mail before."""

    def __init__(self, found: Summary, *, is_coloured: bool) -> None:
        self._is_compared = found.all.before > 0
        self._is_coloured = is_coloured

    @property
    def head(self) -> str:
        before = f"{'before':>12}{'change':>10}" if self._is_compared else ""
        return f"{'':<34}{'messages':>12}{'%':>8}{before}"

    def row(self, label: str, figure: Figure, of: int, severity: Severity = Severity.PLAIN) -> str:
        share = f"{figure.now / of * 100:.1f}" if of else ""
        before = f"{figure.before:>12,}{change(figure):>10}" if self._is_compared else ""
        line = f"{label:<34}{figure.now:>12,}{share:>8}{before}"
        return painted(line, severity if figure.now else Severity.PLAIN, is_coloured=self._is_coloured)


def _done(found: Summary, *, is_coloured: bool) -> Iterator[str]:
    total = found.all.now
    rows = _Rows(found, is_coloured=is_coloured)
    row = rows.row
    yield rows.head
    yield row("all", found.all, total)
    for action, word in DONE.items():
        severity = Severity.PLAIN if action == "accept" else severity_of(action)
        yield row(f"  {word}", found.done[action], total, severity)
    yield row("  not judged (own users' mail)", found.unjudged, total)
    for action, figure in found.would_be.items():
        severity = severity_of(action)
        yield row(f"enforce would have {DONE[action]}", figure, total, severity)
    for name, figure in found.spared.items():
        yield row(f"override {name}", figure, total)


def _results(method: str, found: Summary, *, is_coloured: bool) -> Iterator[str]:
    results: Figures = found.results[method]
    total = sum(each.now for each in results.values())
    row = _Rows(found, is_coloured=is_coloured).row
    for name, figure in sorted(results.items(), key=lambda each: RANK.get(each[0], len(RANK))):
        if figure.now or figure.before:
            label = f"{METHODS[method]:<13}{KINDS.get(name, name) if method == 'kind' else name}"
            severity = Severity.BAD if method == "dmarc" and name == "fail" else Severity.PLAIN
            yield row(label, figure, total, severity)


def cut(text: str, width: int) -> str:
    """Where `text` is longer, its middle is left out: of a name, the end says most."""
    if len(text) <= width:
        return text
    kept = width - len(_CUT)
    head = kept // 3
    return f"{text[:head]}{_CUT}{text[len(text) - (kept - head) :]}"


def _table(title: str, columns: str, rows: Iterable[tuple[str, str]], width: int) -> Iterator[str]:
    """A title, and a row for each name."""
    for number, (name, rest) in enumerate(rows):
        if not number:
            yield f"{title:<{width}}{columns}"
        yield f"  {cut(printable(name, 500), width - 2):<{width - 2}}{rest}"


def _counted(figure: Figure) -> str:
    return f"{figure.now:>10,}{figure.before:>10,}"


_COUNTED = f"{'messages':>10}{'before':>10}"


def _domains(found: Summary) -> Iterator[str]:
    rows = (
        (
            each.name or NO_FROM,
            f"{_counted(each.messages)}  {each.network or '?':<19}{cut(each.proves_to_be or 'nobody', 15)}",
        )
        for each in found.domains
    )
    return _table("Whose mail fails", f"{_COUNTED}  {'mostly from':<19}proves to be", rows, 24)


def _networks(found: Summary) -> Iterator[str]:
    rows = ((each.name or NO_NETWORK, f"{_counted(each.messages)}{each.domains:>16,}") for each in found.networks)
    return _table("Where that comes from", f"{_COUNTED}{'From domains':>16}", rows, 44)


def _lists(found: Summary) -> Iterator[str]:
    rows = ((each.name, _counted(each.messages) + _counted(each.failing)) for each in found.lists)
    return _table("Mailing lists", f"{_COUNTED}{'failing':>10}{'before':>10}", rows, 40)


def _rules(found: Summary, rules: Sequence[str], *, is_coloured: bool) -> Iterator[str]:
    rows = [(name, _counted(figure)) for name, figure in found.rules.items()]
    names = set(found.rules)
    rows += [(name, _counted(Figure())) for name in dead(found, rules) if name not in names]
    unused = set(dead(found, rules))
    mark = painted("  dead: it decided nothing", Severity.DOUBTFUL, is_coloured=is_coloured)
    marked = [(name, rest + mark * (name in unused)) for name, rest in rows]
    return _table("Your rules", _COUNTED, marked, 34)


def _notes(found: Summary) -> Iterator[str]:
    if found.begins is None:
        yield "The journal has no records yet."
    elif found.begins > found.period.before.since + HOUR:
        yield f"The journal begins on {_minute(found.begins)}: there is less to compare with."
    if found.oldest is not None and found.oldest > max(found.begins or 0, found.period.before.since) + HOUR:
        yield f"Records are kept since {_minute(found.oldest)}: domains, networks and lists are of that time."
    if not found.is_complete:
        yield "Records of an older version are still being counted: these figures are too low."
