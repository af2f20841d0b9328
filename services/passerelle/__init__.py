"""Passerelle: a shared, verifiable ledger of credentials, recognition and credit transfer."""

__version__ = "0.1.0"
