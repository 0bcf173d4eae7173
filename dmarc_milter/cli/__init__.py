"""The command dmarc-milter and its subcommands."""
