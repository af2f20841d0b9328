"""Faults on the real servers: a federation of whole processes over a real Kafka and PostgreSQL, and what breaks it.

``proxy`` spoils connections, ``launcher`` gives a process a wrong clock, ``network`` and ``keeper`` run the processes,
``plan`` draws a round's faults from a seed, ``striking`` injects them, ``judge`` holds everything against the promises,
``rounds`` plays many rounds in one federation. See docs/reliability.md.
"""
