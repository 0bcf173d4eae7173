"""`dmarc-milter check`: one message, a mailbox or a domain, explained."""
