"""What became of each message, kept in a database (SQLite, or PostgreSQL for several hosts)."""
