"""Whether the filter is well, looked at from outside: what `dmarc-milter status` says, and a page may."""
