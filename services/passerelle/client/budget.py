"""How many retries a client may make: a share of its successes, so that a service in trouble is not asked more."""

from __future__ import annotations

from typing import Final

TOKENS: Final = 10.0
EARNED: Final = 0.1


class RetryBudget:
    """Tokens, as gRPC's retry throttling has them (gRFC A6): a failure costs one, a success earns a tenth.

    A retry is allowed while more than half of the tokens are left. One budget may serve several clients.
    """

    def __init__(self, tokens: float = TOKENS, earned: float = EARNED) -> None:
        """``tokens``: at the start, and the most there ever are. Raises ValueError unless both are positive."""
        if tokens <= 0 or earned <= 0:
            raise ValueError("tokens and earned are positive")
        self._most = tokens
        self._earned = earned
        self.tokens = tokens

    def succeeded(self) -> None:
        """A call went well."""
        self.tokens = min(self._most, self.tokens + self._earned)

    def failed(self) -> bool:
        """A try failed in a way that another might not; whether there may be another."""
        self.tokens = max(0.0, self.tokens - 1)
        return self.tokens > self._most / 2
