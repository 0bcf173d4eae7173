"""[dns]"""

from dataclasses import dataclass
from typing import Annotated

from dmarc_milter.settings.addresses import NameServerAddress
from dmarc_milter.settings.constraints import Example, Range


@dataclass(frozen=True, slots=True)
class DnsSection:
    """Whom the filter asks, and how long it waits."""

    nameservers: Annotated[tuple[NameServerAddress, ...], Example(("127.0.0.1", "127.0.0.1:5300", "[::1]:53"))] = ()
    """Name servers, in order. Where none is set, the system's are asked. A resolver on this host is best: it caches for
    all processes."""

    timeout: Annotated[float, Range(0.05, 60)] = 3.0
    """Seconds to wait for an answer. Leave it with a resolver on this host. Raise it where the log shows temporary
    errors of domains that do answer."""

    tries: Annotated[int, Range(1, 10)] = 2
    """How often each server is asked."""

    deadline: Annotated[float, Range(0.1, 120)] = 15.0
    """Seconds that all questions about one message may take. What is missing then is a temporary error. It has to stay
    below the MTA's own patience (Postfix: milter_content_timeout; Sendmail: T= in the filter's line)."""

    cache_megabytes: Annotated[int, Range(1, 4096)] = 6
    """Memory of one process for answers. Set more where dmarc_milter_dns_cache_hits_total grows slowly and memory is
    there."""
