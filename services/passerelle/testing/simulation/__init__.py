"""The whole network in one thread and in virtual time: real code over memory, faults drawn from a seed.

``loop`` gives time, ``world`` processes, faults and the trace, ``broker``, ``database`` and ``office`` stand for Kafka
and PostgreSQL, ``law`` is what must hold after every step, ``run`` plays one seed.
"""
