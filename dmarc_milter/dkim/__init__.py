"""DKIM, RFC 6376 with 8301, 8463 and 8616.

`signature` and `key` read, `body` and `header` hash, `verification` judges. ARC uses the same parts.
"""
