"""The pure core: bytes and ``now`` in, state or a typed error out. No clock, no random, no IO in here."""
