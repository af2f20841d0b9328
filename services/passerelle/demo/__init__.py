"""The demo: the whole network on one machine, the samples loaded through the nodes, ten questions asked and answered.

It meets the services as anybody does: through their processes, the command line's ``--json``, gRPC and HTTP.
"""
