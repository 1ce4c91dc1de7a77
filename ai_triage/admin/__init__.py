"""The admin of triage, a module for each of its parts."""
