"""``python -m bench.echo READY``: a bare grpc.aio server that gives every FindRequest back, until it is ended."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

import grpc
import uvloop

from passerelle.api.equivalency.v1 import equivalency_pb2 as pb

SERVICE: Final = "bench.Echo"


async def _echo(request: pb.FindRequest, _context: Any) -> pb.FindRequest:
    return request


async def serve(ready: Path) -> None:
    """Answer until the parent ends the process."""
    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(_echo, pb.FindRequest.FromString, pb.FindRequest.SerializeToString)
    server.add_registered_method_handlers(SERVICE, {"Echo": handler})
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    fresh = ready.with_suffix(".new")
    fresh.write_text(json.dumps({"pid": os.getpid(), "grpc": f"127.0.0.1:{port}"}))
    fresh.replace(ready)
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1])))
