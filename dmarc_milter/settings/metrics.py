"""[metrics]"""

from dataclasses import dataclass

from dmarc_milter.settings.addresses import InetAddress, MetricsAddress

DEFAULT_LISTEN = InetAddress("127.0.0.1", 9893)


@dataclass(frozen=True, slots=True)
class MetricsSection:
    """Counts for Prometheus, and whether the service is ready."""

    listen: MetricsAddress = DEFAULT_LISTEN
    """Where Prometheus finds /metrics, and load balancers /healthz and /readyz: "address:port", or "" for nowhere.
    There is no password: open it to the network that Prometheus is in, and to no other."""
