"""Speed and memory of whence, beside OpenTelemetry's SDK doing the same work. `python -m benchmarks`; docs/benchmarks.md."""
