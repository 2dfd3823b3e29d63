"""OpenTelemetry's spans and log records: neutral structs, the dialects they are written in, OTLP JSON, the SDK's objects."""
