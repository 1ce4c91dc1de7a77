"""The embedded settings, with a word in each answer on what it took."""

from sendcraft_project.settings.embedded import *  # noqa: F403
from sendcraft_project.settings.embedded import MIDDLEWARE

MIDDLEWARE = ["bench.timing.Timing", *MIDDLEWARE]
