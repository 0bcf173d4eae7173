"""Attacks played to a running filter from outside: over the milter protocol, the DNS and HTTP.

`.venv/bin/python -m tests.protocol.hostile` plays them all and prints a table; test_hostile.py and test_situations.py assert
what the table shows. The sender controls the whole session and message, every name of the DNS but those of the Author
Domain's own tree, how long all of it takes, and how much of it there is: none of it may make a verdict milder.
"""
