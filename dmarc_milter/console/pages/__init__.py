"""The pages: each takes a request, asks the journal, and fills a template."""
