"""From the spool to the store: one drainer at a time, at least once, nothing unlinked before it is stored."""
