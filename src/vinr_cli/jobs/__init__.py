"""One command, one job: from a JobSpec to a checked file under its final name."""
