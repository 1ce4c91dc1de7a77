"""Measures SendCraft beside a peer and beside floors; ``make bench`` runs it."""
