"""How the filter is wired into an MTA's configuration, and taken out again."""
