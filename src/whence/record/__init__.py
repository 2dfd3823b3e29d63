"""In the user's process: what a pipeline says is encoded, redacted and written to the spool before the call returns.

A guest in someone else's program: nothing here raises into the host, blocks on more than one write, takes a lock that
another thread could hold, or starts a thread that writes (DESIGN §4).
"""
