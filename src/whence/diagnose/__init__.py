"""Findings: what is wrong, or may be, with the records that show it."""
