"""The REST gateway: the questions of the gRPC services as JSON over HTTP."""
