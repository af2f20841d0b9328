"""Conditions that say whether a server answers. Each bounds its own waiting and reports, never raises, a refusal."""

import asyncio
from pathlib import Path

from passerelle.embedded.child import Ready

_SECONDS = 1.0


def file_ready(path: Path) -> Ready:
    """Ready once `path` exists; remove it before the start."""

    async def check() -> bool:
        return path.exists()

    return check


def tcp_ready(host: str, port: int) -> Ready:
    """Ready once the port takes a connection."""

    async def check() -> bool:
        try:
            async with asyncio.timeout(_SECONDS):
                _, writer = await asyncio.open_connection(host, port)
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True

    return check


def http_ready(url: str, status: int = 200) -> Ready:
    """Ready once GET `url` answers with `status`."""

    async def check() -> bool:
        import httpx

        try:
            async with httpx.AsyncClient(timeout=_SECONDS, trust_env=False) as client:
                return (await client.get(url)).status_code == status
        except httpx.HTTPError:
            return False

    return check


def grpc_ready(address: str, service: str = "") -> Ready:
    """Ready once the health service at `address` (host:port) says SERVING for `service` (grpc.health.v1)."""

    async def check() -> bool:
        import grpc
        from grpc_health.v1 import health_pb2

        async with grpc.aio.insecure_channel(address) as channel:
            ask = channel.unary_unary(
                "/grpc.health.v1.Health/Check",
                request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )
            request = health_pb2.HealthCheckRequest(service=service)
            try:
                answer = await ask(request, timeout=_SECONDS)
            except grpc.aio.AioRpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    return check
