"""What all rooms of `media` share: containers, pixel formats, pipes, the ffmpeg binary."""
