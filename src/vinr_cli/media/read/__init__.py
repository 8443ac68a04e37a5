"""Files, streams and pictures to descriptions and frames."""
