"""Reports made: every complete UTC day that is not closed yet is closed, and its domains worked off (RFC 9990 3.5).

Killed anywhere, nothing is lost and nothing is made twice: a day is closed in one transaction, a batch of its domains
is finished in one, and what a report is called follows from what it is about.
"""

import time
from collections import ChainMap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from dmarc_milter import wording
from dmarc_milter.common.reason import Reason
from dmarc_milter.dmarc.record import DmarcRecord
from dmarc_milter.dmarc.tree_walk import TreeWalks
from dmarc_milter.dns.message import MessageQuestions
from dmarc_milter.dns.runner import Runner, Started
from dmarc_milter.dns.source import Source
from dmarc_milter.journal.report_tables import JobState
from dmarc_milter.journal.reported import Aligned, Content
from dmarc_milter.journal.rollups import DAY
from dmarc_milter.reporting.alignments import Alignments, UnansweredError
from dmarc_milter.reporting.claim import Claim, Job, JobOutcome, MadeReport
from dmarc_milter.reporting.document import Part, Record, Reporter, parts
from dmarc_milter.reporting.identity import ReportIdentity
from dmarc_milter.reporting.mail import aggregate_mail
from dmarc_milter.reporting.planning import Pair, Plan, PolicyDay, Rules, look_into, plan
from dmarc_milter.reporting.records import Counted, pairs, records
from dmarc_milter.reporting.signing import SigningKey, signed
from dmarc_milter.reporting.store import Store
from dmarc_milter.telemetry.log import logger

BATCH = 64
"""Domains worked on at once: their questions to the DNS wait beside each other."""
MAX_HELD = 8 << 20
"""Octets of mails of one batch that may be in memory; then what is done is written."""
SECONDS = 60.0
"""What the DNS may take for one domain."""
MAX_PAIRS = 1_000
"""Alignments of one domain that are looked into beside those of others; where there are more, as its rows are read."""
RETRY_SECONDS = 3_600.0
GIVE_UP_SECONDS = 3 * DAY
MAX_NOTE = 500


@dataclass(frozen=True, slots=True)
class Sender:
    """In whose name reports are made, and what signs them."""

    submitter: str
    reporter: Reporter
    keys: Sequence[SigningKey] = ()

    @property
    def domain(self) -> str:
        """The domain that the reports come from."""
        return self.reporter.email.rpartition("@")[2].lower()


class Made(NamedTuple):
    """What one run made."""

    reports: int = 0
    deliveries: int = 0
    postponed: int = 0
    given_up: int = 0
    days: frozenset[int] = frozenset()
    """Days of which something was worked off."""

    def with_outcome(self, outcome: JobOutcome) -> "Made":
        """With one more job."""
        return Made(
            self.reports + len(outcome.reports),
            self.deliveries + sum(len(each.to) for each in outcome.reports),
            self.postponed + (outcome.state is JobState.OPEN),
            self.given_up + (outcome.state is JobState.GIVEN_UP),
            self.days | {outcome.job.day},
        )


class _Looked(NamedTuple):
    """What the DNS said for one domain of a day."""

    plans: list[Plan]
    known: dict[Pair, bool] | Reason


class Maker:
    """Makes reports out of what is counted."""

    def __init__(
        self,
        store: Store,
        sender: Sender,
        rules: Rules,
        runner: Runner,
        source: Source,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._sender = sender
        self._rules = rules
        self._runner = runner
        self._source = source
        self._alignments = Alignments(runner, source)
        self._clock = clock

    # For people

    def plans(self, day: int, domain: str | None = None) -> Iterator[Plan]:
        """What would become of each policy of `day`: nothing is written."""
        domains = self._store.domains(day, domain)
        for start in range(0, len(domains), BATCH):
            some = domains[start : start + BATCH]
            for looked in self._looked_into(day, self._store.policies(day, some)).values():
                yield from looked.plans

    # The work

    def close_days(self, grace: float, day: int | None = None) -> list[int]:
        """Close the days that are over, since `grace` seconds or longer; those that were closed now."""
        days = self._store.days_to_close(int(self._clock() - grace))
        closed = [each for each in days if day is None or each == day]
        for each in closed:
            self._store.close_day(each, self._clock())
        return closed

    def make(
        self, day: int | None = None, domain: str | None = None, progress: Callable[[int], None] = lambda done: None
    ) -> Made:
        """Work off the open domains of closed days; `progress` is told how many were done so far."""
        total, done = Made(), 0
        last: Job | None = None
        while True:
            with self._store.claimed_jobs(BATCH, self._clock(), domain, day, last) as claim:
                if not claim.jobs and last is None:
                    return total
                for outcome in self._work_off(claim):
                    total = total.with_outcome(outcome)
                done += len(claim.jobs)
                progress(done)
            # Behind the last one there may be none, and before it some that another host had in hand.
            last = claim.jobs[-1] if claim.jobs else None

    def _work_off(self, claim: Claim) -> Iterator[JobOutcome]:
        for day, group in groupby(claim.jobs, key=lambda job: job.day):
            outcomes = self._guarded(claim, day, list(group))
            claim.finish(outcomes)
            yield from outcomes

    def _guarded(self, claim: Claim, day: int, jobs: Sequence[Job]) -> list[JobOutcome]:
        """A bug that one domain brings up holds up no other: then each is worked off alone."""
        try:
            return list(self._outcomes(claim, day, jobs))
        except SQLAlchemyError:
            raise
        except Exception as error:  # noqa: BLE001 - see above
            if len(jobs) > 1:
                return [outcome for job in jobs for outcome in self._guarded(claim, day, [job])]
            logger.exception("error in the report about %s", jobs[0].policy_domain)
            return [self._postponed(jobs[0], f"an error of the program: {type(error).__name__}")]

    def _outcomes(self, claim: Claim, day: int, jobs: Sequence[Job]) -> Iterator[JobOutcome]:
        domains = [job.policy_domain for job in jobs]
        policies = self._store.policies(day, domains)
        looked = self._looked_into(day, policies)
        made, unanswered = self._made(claim, day, jobs, looked)
        for job in jobs:
            counted = sum(each.messages for each in policies.get(job.policy_domain, ()))
            found = looked.get(job.policy_domain)
            failure = _failure(found) if found is not None else None
            failure = failure or unanswered.get(job.policy_domain)
            if failure is not None:
                yield self._postponed(job, wording.text(failure))
            else:
                yield JobOutcome(job, JobState.DONE, counted, tuple(made.get(job.policy_domain, ())))

    def _postponed(self, job: Job, why: str) -> JobOutcome:
        now = self._clock()
        if now > job.day + DAY + GIVE_UP_SECONDS:
            return JobOutcome(job, JobState.GIVEN_UP, note=why[:MAX_NOTE])
        return JobOutcome(job, JobState.OPEN, note=why[:MAX_NOTE], next_try=now + RETRY_SECONDS)

    def _looked_into(self, day: int, policies: dict[str, list[PolicyDay]]) -> dict[str, _Looked]:
        """What the DNS has to say, for all domains at once."""
        if not policies:
            return {}
        wanted = self._pairs(day, policies)
        questions = {domain: MessageQuestions(self._source) for domain in policies}
        started: dict[str, Started[_Looked]] = {
            domain: self._runner.start(self._look(questions[domain], each, wanted.get(domain, {})))
            for domain, each in policies.items()
        }
        try:
            return {domain: future.result() for domain, future in started.items()}
        finally:
            for each in questions.values():
                each.close()

    async def _look(
        self, questions: MessageQuestions, policies: Sequence[PolicyDay], wanted: dict[Pair, None]
    ) -> _Looked:
        resolver = questions.resolver(time.monotonic() + SECONDS)
        walks = TreeWalks(resolver)
        plans = await plan(resolver, walks, policies, self._rules)
        known = await look_into(walks, wanted) if any(each.is_made for each in plans) else {}
        return _Looked(plans, known)

    def _pairs(self, day: int, policies: dict[str, list[PolicyDay]]) -> dict[str, dict[Pair, None]]:
        """What has to be looked into, of each domain."""
        published = {(each.policy_domain, each.policy): each.record for some in policies.values() for each in some}
        found: dict[str, dict[Pair, None]] = {}
        for domain, policy, rows in self._store.rows(day, sorted(policies)):
            record = published.get((domain, policy))
            if record is None or not record.report_addresses:
                continue
            some = found.setdefault(domain, {})
            for row in rows:
                if len(some) >= MAX_PAIRS:
                    break
                some.update(dict.fromkeys(pairs(Content.of(row.content), record, Aligned.of(row.variant))))
        return found

    def _made(
        self, claim: Claim, day: int, jobs: Sequence[Job], looked: dict[str, _Looked]
    ) -> tuple[dict[str, list[MadeReport]], dict[str, Reason]]:
        """The reports of each domain; and those that have to wait, for the DNS did not tell all."""
        plans = {
            (each.policy.policy_domain, each.policy.policy): each
            for found in looked.values()
            if _failure(found) is None
            for each in found.plans
            if each.is_made
        }
        held = _Held(claim)
        unanswered: dict[str, Reason] = {}
        domains = [job.policy_domain for job in jobs]
        claim.begin(day, domains)
        if plans:
            for domain, policy, rows in self._store.rows(day, domains):
                planned = plans.get((domain, policy))
                if planned is None or domain in unanswered:
                    continue
                identity = ReportIdentity(self._sender.submitter, domain, policy, day)
                told = self._records(rows, planned.policy.record, looked[domain])
                try:
                    for part in parts(identity, self._sender.reporter, planned.policy.record, told):
                        held.add(self._report(part, planned))
                except UnansweredError as error:
                    # What is kept of it already is forgotten when it is begun again.
                    unanswered[domain] = error.why
                    held.made.pop(domain, None)
        return held.made, unanswered

    def _records(self, rows: Iterator[Counted], record: DmarcRecord, looked: _Looked) -> Iterator[Record]:
        assert isinstance(looked.known, dict)
        if len(looked.known) < MAX_PAIRS:
            return records(rows, record, looked.known)
        known = ChainMap({}, looked.known)
        return records(self._alignments.answered(rows, record, known), record, known)

    def _report(self, part: Part, planned: Plan) -> MadeReport:
        now = self._clock()
        message = aggregate_mail(part, self._sender.reporter, planned.to, now)
        if self._sender.keys:
            message = signed(message, self._sender.domain, self._sender.keys, int(now))
        identity = part.identity
        return MadeReport(
            identity.id,
            identity.day,
            identity.policy_domain,
            identity.policy,
            identity.part,
            "aggregate",
            part.messages,
            part.records,
            now,
            bool(self._sender.keys),
            message,
            planned.to,
        )


class _Held:
    """Reports of a batch, of which only so many octets are in memory."""

    def __init__(self, claim: Claim) -> None:
        self.made: dict[str, list[MadeReport]] = {}
        self._claim = claim
        self._octets = 0

    def add(self, report: MadeReport) -> None:
        self.made.setdefault(report.policy_domain, []).append(report)
        self._octets += len(report.message)
        if self._octets > MAX_HELD:
            self._keep()

    def _keep(self) -> None:
        for domain, some in self.made.items():
            self._claim.keep([each for each in some if each.message])
            self.made[domain] = [each._replace(message=b"") for each in some]
        self._octets = 0


def _failure(found: _Looked) -> Reason | None:
    """Why a domain has to be tried later: it is never told 'fail' for want of an answer."""
    if isinstance(found.known, Reason):
        return found.known
    return next((each.failure for each in found.plans if each.failure is not None), None)
