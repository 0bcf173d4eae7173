"""The new filter beside the old chain: what both said of the same messages, and why they differ."""
