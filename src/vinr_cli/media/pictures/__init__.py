"""Folders of pictures and animations out of finished parts."""
