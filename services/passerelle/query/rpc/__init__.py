"""The gRPC side of the query service."""
