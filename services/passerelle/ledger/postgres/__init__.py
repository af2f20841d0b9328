"""PostgreSQL adapters of the ledger: loading, the one transaction a commit, the lease."""

MIGRATIONS = "passerelle.ledger.migrations"
