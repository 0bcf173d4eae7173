"""What faces the MTA: libmilter's callbacks, edits, processes. Only here is the module milter imported."""
