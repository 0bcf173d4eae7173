"""What can be asked of the DNS, and who answers.

Everything above speaks to a :class:`~dmarc_milter.dns.answer.Resolver` and knows nothing of packets.
"""
