"""The subcommands of dmarc-milter, one module each."""
