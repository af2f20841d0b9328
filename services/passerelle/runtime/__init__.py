"""IO that the services share: clock, ids, configuration, keys, Kafka, PostgreSQL, gRPC, telemetry, processes."""
