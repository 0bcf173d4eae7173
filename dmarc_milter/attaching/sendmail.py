"""The line of sendmail.mc that attaches the filter."""

from dmarc_milter.settings.addresses import ListenAddress


def line(address: ListenAddress, *, fail_temporarily: bool) -> str:
    """With `fail_temporarily`, Sendmail defers mail while the filter is down; else it lets it in unjudged."""
    flag = ", F=T" if fail_temporarily else ""
    return f"INPUT_MAIL_FILTER(`dmarc-milter', `S={address}{flag}, T=S:4m;R:4m;E:10m')dnl"
