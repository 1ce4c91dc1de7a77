"""Dates and times as the admin writes them: short enough for one line of a list."""
