"""SPF, RFC 7208: `record` reads a record, `macro` expands it, `evaluation` is check_host()."""
