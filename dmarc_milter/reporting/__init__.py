"""Reports to the domains whose mail came in: aggregate (RFC 9990) and failure reports (RFC 9991)."""
