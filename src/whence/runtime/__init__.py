"""Settings → build → start and stop. The only place that picks concrete parts."""
