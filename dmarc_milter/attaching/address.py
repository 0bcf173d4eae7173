"""Where the filter listens, as Postfix writes it."""

from dmarc_milter.attaching.postfix import AttachError, Configuration
from dmarc_milter.settings.addresses import ListenAddress, UnixAddress


def in_postfix(address: ListenAddress, postfix: Configuration) -> str:
    """The filter as smtpd_milters names it. Raises AttachError where smtpd could not reach it."""
    if not isinstance(address, UnixAddress):
        host = f"[{address.host}]" if address.is_ipv6 else address.host
        return f"inet:{host}:{address.port}"
    inside = address.path.removeprefix(postfix.queue_directory + "/")
    if inside != address.path:
        # Relative to the queue folder: right whether smtpd is chrooted or not.
        return f"unix:{inside}"
    if postfix.has_chrooted_smtpd:
        raise AttachError(
            f"smtpd runs inside {postfix.queue_directory} and cannot reach {address.path}: let [milter] listen be in "
            f"there, like unix:{postfix.queue_directory}/dmarc-milter/dmarc-milter.sock"
        )
    return f"unix:{address.path}"
