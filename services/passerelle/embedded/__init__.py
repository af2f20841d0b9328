"""The broker and the database of `passerelle demo` and of the tests, on one machine, with nothing prepared on it.

`EmbeddedPostgres` and `EmbeddedKafka` start real servers as child processes bound to 127.0.0.1, or use those named by
DATABASE_URL and KAFKA_BOOTSTRAP_SERVERS. `Supervisor` starts, watches and stops Passerelle's own processes.
They are for one machine: deploy/ runs the same services on a cluster.
"""

from passerelle.embedded.kafka import EmbeddedKafka
from passerelle.embedded.ports import free_port
from passerelle.embedded.postgres import EmbeddedPostgres
from passerelle.embedded.supervisor import ChildSpec, Supervisor

__all__ = ["ChildSpec", "EmbeddedKafka", "EmbeddedPostgres", "Supervisor", "free_port"]
