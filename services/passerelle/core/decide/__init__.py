"""The ledger's decision on one verified event in its place: accepted with effects, refused, or waiting.

Pure: everything comes in as arguments. The same functions decide in the ledger, in ``ledger check`` and in simulation.
"""

from passerelle.core.decide.engine import Accepted, Rejected, Verdict, Waiting, apply, decide, first_needs

__all__ = ["Accepted", "Rejected", "Verdict", "Waiting", "apply", "decide", "first_needs"]
