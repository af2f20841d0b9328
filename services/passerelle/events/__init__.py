"""Every event of the network as a typed model, and the way between bytes and models.

The models are the one source of the JSON Schemas, topic files, examples and the AsyncAPI document
under ``contracts/`` (see :mod:`passerelle.events.export`).
"""
