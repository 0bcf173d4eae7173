"""What Prometheus is told: counters in files that all processes of the service share (prometheus-client, multiprocess).

A worker writes under its number, which the next worker in its place takes over with the counts. So dead workers still
count, and the files stay as many as there were workers at once. Label values come from small sets: no
domains, no addresses.
"""

import contextlib
import json
import os
import platform
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from dmarc_milter.columns.column import Row
from dmarc_milter.columns.table import codes
from dmarc_milter.common.version import VERSION
from dmarc_milter.dns.answer import Answer, Question

SUPERVISOR = "supervisor"
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

_EVALUATION_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 30)
_WAIT_BUCKETS = (0, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 30)
_ALGORITHMS = frozenset(("rsa-sha256", "ed25519-sha256", "rsa-sha1"))
_KEY_SIZES = frozenset((256, 1024, 1536, 2048, 3072, 4096, 8192))


class _WriterName:
    """What this process writes under: the number of a worker, or the supervisor's name."""

    def __init__(self) -> None:
        self.name = SUPERVISOR

    def __call__(self) -> str:
        return self.name


_writer_name = _WriterName()


def prepare(folder: Path) -> None:
    """Keep the counts in `folder`, which is empty. To be called once, before any metric is made."""
    os.environ[_FOLDER] = str(folder)
    values.ValueClass = values.MultiProcessValue(process_identifier=_writer_name)


def write_as(worker_number: int) -> None:
    """This process is a worker: from now on it writes under its number."""
    _writer_name.name = str(worker_number)


def forget_gauges(worker_number: int) -> None:
    """The worker of this number has ended: what it had in progress is over; its counts stay."""
    mark_process_dead(worker_number)


def unwritten_records(worker_number: int) -> int:
    """Records for the journal that workers of this number took, and of which nothing is known since."""
    path = Path(os.environ[_FOLDER], f"counter_{worker_number}.db")
    counts = {"taken": 0.0, "written": 0.0, "dropped": 0.0}
    with contextlib.suppress(OSError):
        if not _is_begun(path):
            return 0
        for key, value, *_ in MmapedDict.read_all_values_from_file(str(path)):
            _, name, labels, *_ = json.loads(key)
            if name == "dmarc_milter_journal_records_total" and labels.get("outcome") in counts:
                counts[labels["outcome"]] = value
            elif name == "dmarc_milter_journal_records_taken_total":
                counts["taken"] = value
    return round(counts["taken"] - counts["written"] - counts["dropped"])


def collect() -> CollectorRegistry:
    """A registry that sums up over all processes, those that ended too."""
    registry = CollectorRegistry()
    registry.register(_BegunFiles())
    return registry


def _is_begun(path: Path) -> bool:
    """A process makes its file empty, and gives it its size and its head after that: until then nothing can be read."""
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


class _BegunFiles(Collector):
    def collect(self) -> Iterable[Metric]:
        paths = [str(path) for path in Path(os.environ[_FOLDER]).glob("*.db") if _is_begun(path)]
        merged: Iterable[Metric] = MultiProcessCollector.merge(paths, accumulate=True)
        return merged


class FiguresOfReports(Collector):
    """What the last run of ``dmarc-milter report`` left in its file; nothing where there is none, or it is no such."""

    MAX_OCTETS = 65_536

    def __init__(self, path: str) -> None:
        self._path = path

    def collect(self) -> Iterator[Metric]:
        """As they are in the file. Nobody but us writes there; what has another name is not passed on."""
        try:
            with open(self._path, "rb") as file:
                text = file.read(self.MAX_OCTETS).decode("ascii")
            found = list(text_string_to_metric_families(text))
        except (OSError, ValueError):
            return
        yield from (each for each in found if each.name.startswith("dmarc_milter_report_"))


def _counter(name: str, text: str, labels: Iterable[str] = ()) -> Counter:
    return Counter(f"dmarc_milter_{name}", text, tuple(labels), registry=None)


def _gauge(name: str, text: str, labels: Iterable[str] = ()) -> Gauge:
    return Gauge(f"dmarc_milter_{name}", text, tuple(labels), registry=None, multiprocess_mode="livesum")


class WorkerMetrics:
    """What a worker counts."""

    def __init__(self, rules: Iterable[str] = ()) -> None:
        self._messages = _Children(
            _counter(
                "messages_total",
                "Messages by what enforce would do with them, whether that was done, and the mode.",
                ("disposition", "applied", "mode"),
            )
        )
        self._spf = _Children(_counter("spf_results_total", "SPF results.", ("result",)))
        self._dkim = _Children(
            _counter("dkim_results_total", "DKIM signatures by result.", ("result", "algorithm", "key_size"))
        )
        self._arc = _Children(_counter("arc_results_total", "ARC chains by result.", ("result",)))
        self._dmarc = _Children(
            _counter("dmarc_results_total", "DMARC results, and the policy that applies.", ("result", "policy"))
        )
        self._reasons = _Children(
            _counter(
                "reasons_total",
                "Reasons of results and decisions, by their codes.",
                ("protocol", "code"),
            )
        )
        self._overrides = _Children(
            _counter("overrides_total", "Messages whose outcome is not what the Domain Owner asked for.", ("type",))
        )
        self._rules = _Children(_counter("rule_matches_total", "Messages that an override rule decided.", ("rule",)))
        for rule in rules:
            self._rules.inc(rule, by=0)
        self._seconds = Histogram(
            "dmarc_milter_end_of_message_seconds",
            "What the end of a message takes in the filter.",
            registry=None,
            buckets=_EVALUATION_BUCKETS,
        )
        self._waited = Histogram(
            "dmarc_milter_dns_wait_seconds",
            "What the end of a message waits for the DNS.",
            registry=None,
            buckets=_WAIT_BUCKETS,
        )
        self._questions = _Children(
            _counter("dns_questions_total", "Questions put to the name servers.", ("type", "outcome"))
        )
        self._hits = _counter("dns_cache_hits_total", "Questions that the cache answered.")
        self._exceptions = _counter("exceptions_total", "Errors of the filter itself.")
        self._missing_actions = _Children(
            _counter("mta_missing_actions_total", "Connections of MTAs that do not let us do this.", ("action",))
        )
        self._in_progress = _gauge("messages_in_progress", "Messages between MAIL FROM and their end.")
        self._sessions = _gauge("sessions", "Connections of the MTA.")
        self._journal = _journal_records("written", "dropped")
        self._journal_taken = _counter("journal_records_taken_total", "Records that a worker has for the journal.")
        self._journal_waiting = _gauge("journal_waiting_records", "Records that are not in the journal yet.")
        self._journal_written = Gauge(
            "dmarc_milter_journal_last_write_timestamp_seconds",
            "When a record was written into the journal last.",
            registry=None,
            multiprocess_mode="livemax",
        )

    def observe(self, row: Row) -> None:
        """Count one message."""
        applied = "yes" if row["action"] == row["wanted"] else "no"
        self._messages.inc(row["wanted"], applied, row["mode"])
        self._seconds.observe(row["seconds"])
        if row["spf"] is not None:
            self._observe_verdict(row)
        if row["override"] is not None:
            self._overrides.inc(row["override"])
        if row["rule"] is not None:
            self._rules.inc(row["rule"])
        for finding, code in codes(row):
            self._reasons.inc(finding, code)

    def _observe_verdict(self, row: Row) -> None:
        self._waited.observe(row["seconds_waited"])
        self._hits.inc(row["dns_cache_hits"])
        self._spf.inc(row["spf"])
        for each in row["dkim"]:
            algorithm = each["algorithm"] if each["algorithm"] in _ALGORITHMS else "other"
            bits = each["key_bits"]
            size = "" if bits is None else str(bits) if bits in _KEY_SIZES else "other"
            self._dkim.inc(each["result"], algorithm, size)
        self._arc.inc(row["arc"])
        self._dmarc.inc(row["dmarc"], row["policy"] or "none")

    def observe_answer(self, question: Question, answer: Answer[Any]) -> None:
        """Count one question that was put to a name server."""
        self._questions.inc(question.type.name, answer.outcome.value.replace(" ", "_"))

    def observe_activity(self, sessions: int, messages: int) -> None:
        """What is at hand now."""
        self._sessions.set(sessions)
        self._in_progress.set(messages)

    def note_exception(self) -> None:
        """Count an error of ours."""
        self._exceptions.inc()

    def note_missing_action(self, action: str) -> None:
        """Count a connection of an MTA that does not let us do this: add_fields, delete_fields."""
        self._missing_actions.inc(action)

    def note_journal(self, outcome: str, count: int) -> None:
        """Count records: written, or dropped because there was no room."""
        self._journal.inc(outcome, by=count)
        if outcome == "written":
            self._journal_written.set_to_current_time()

    def note_taken(self) -> None:
        """Count a record that is to be written: if this process dies, it is known how many it had."""
        self._journal_taken.inc()

    def observe_journal(self, waiting: int) -> None:
        """How many records are not written yet."""
        self._journal_waiting.set(waiting)


class SupervisorMetrics:
    """What the supervisor tells."""

    def __init__(self, hangs: Iterable[str] = ()) -> None:
        info = _gauge("build_info", "Version of the filter, always 1.", ("version", "python"))
        info.labels(VERSION, platform.python_version()).set(1)
        self._workers = _gauge("workers", "Worker processes by state.", ("state",))
        self._restarts = _counter("worker_restarts_total", "Workers that ended by themselves and were replaced.")
        self._hangs = _Children(_counter("worker_hangs_total", "Workers ended because they hung.", ("how",)))
        for how in hangs:
            self._hangs.inc(how, by=0)
        self._journal = _journal_records("lost")
        self._reloads = _Children(_counter("reloads_total", "Reloads of the settings.", ("outcome",)))
        for outcome in ("done", "refused"):
            self._reloads.inc(outcome, by=0)
        self._configuration = _gauge("configuration_info", "The settings in force: 1.", ("sha256",))
        self._loaded = _gauge("configuration_loaded_timestamp_seconds", "When the settings in force were read.")
        self._hash: str | None = None

    def workers(self, ready: int, starting: int, leaving: int) -> None:
        """How many workers there are now."""
        for state, count in (("ready", ready), ("starting", starting), ("leaving", leaving)):
            self._workers.labels(state).set(count)

    def restarted(self) -> None:
        """A worker ended by itself."""
        self._restarts.inc()

    def lost_records(self, count: int) -> None:
        """Records for the journal that died with a worker."""
        self._journal.inc("lost", by=count)

    def hung(self, how: str) -> None:
        """A worker was ended because it hung."""
        self._hangs.inc(how)

    def configured(self, digest: str, time: float) -> None:
        """Other settings are in force."""
        if self._hash is not None:
            self._configuration.labels(self._hash).set(0)
        self._hash = digest
        self._configuration.labels(digest).set(1)
        self._loaded.set(time)

    def reloaded(self, outcome: str) -> None:
        """Settings were read again: done, or refused."""
        self._reloads.inc(outcome)


def _journal_records(*outcomes: str) -> "_Children":
    """There from the start as 0: without that, the first that are dropped are no increase."""
    records = _Children(
        _counter("journal_records_total", "Records for the journal, by what became of them.", ("outcome",))
    )
    for outcome in outcomes:
        records.inc(outcome, by=0)
    return records


class _Children:
    """The children of a labelled counter, looked up in a plain dict: a third of what .labels() costs."""

    __slots__ = ("_children", "_counter")

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._children: dict[tuple[str, ...], Callable[[float], None]] = {}

    def inc(self, *labels: str, by: float = 1) -> None:
        child = self._children.get(labels)
        if child is None:
            child = self._children[labels] = self._counter.labels(*labels).inc
        child(by)
