"""The command line: options in, JobSpec out, events on the terminal."""
