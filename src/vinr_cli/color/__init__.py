"""Planes to RGB and back, exactly as the stream describes itself."""
