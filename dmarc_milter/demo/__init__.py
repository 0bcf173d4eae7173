"""A DNS, an MTA's half of the milter protocol and a few messages: enough to watch the real filter at work."""
