"""Files in and out: the only user of PyAV and of the ffmpeg binary. No torch."""
