"""`dmarc-milter check` as a library: messages read, envelopes derived, evaluations and domains explained."""
