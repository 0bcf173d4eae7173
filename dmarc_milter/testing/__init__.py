"""For tests, benchmarks, the demo, and users' own tests: an MTA's half of the milter protocol, and a name server."""
