"""What is told of a message: one table of columns for log, metrics, journal, trace, `check` and its JSON.

A finding is a module here, with the columns that it fills and the lines that tell people of it; `table.FINDINGS` names
them. Whoever tells something reads the table: a new finding is one module and its entry there.
"""
