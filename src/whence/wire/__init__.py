"""How it is written: spool frames, records as JSON, the trace document. Each format has a page in docs/formats/."""
