"""ARC, RFC 8617: the chain of custody that lists and forwarders seal."""
