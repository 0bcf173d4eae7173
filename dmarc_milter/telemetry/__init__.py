"""What is told while the filter runs: the log and the metrics."""
