"""Choosing ports on the loopback address."""

import socket

from passerelle.core.errors import PasserelleError

LOOPBACK = "127.0.0.1"
_TRIES = 100


def is_free(port: int) -> bool:
    """Say whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Servers set this too, so a port in TIME_WAIT counts as free for them and for us.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    # A listener on all addresses does not always stop the bind above, but it would answer in our place.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((LOOPBACK, port)) != 0


def free_port(preferred: int | None = None, *, taken: frozenset[int] | set[int] = frozenset()) -> int:
    """Return `preferred`, or the next free port above it, or any free port; never one of `taken`.

    Another process may take the port between this call and its use: whoever starts a server must be ready to choose
    again. Raises `PasserelleError` with code `port-taken` when a hundred ports in a row are in use.
    """
    if preferred is None:
        for _ in range(_TRIES):
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                probe.bind((LOOPBACK, 0))
                port = int(probe.getsockname()[1])
            if port not in taken:
                return port
    else:
        for port in range(preferred, min(preferred + _TRIES, 65536)):
            if port not in taken and is_free(port):
                return port
    start = "any port" if preferred is None else f"ports {preferred} to {preferred + _TRIES - 1}"
    raise PasserelleError("port-taken", f"No free port among {start} on {LOOPBACK}.", fix="Stop what uses them.")
