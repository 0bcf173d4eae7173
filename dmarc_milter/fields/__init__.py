"""Header fields: those that are added, and which fields of others are deleted."""
