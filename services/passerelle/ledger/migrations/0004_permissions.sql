-- A member's letters of permission, latest change first: as home institution (the owner) and as host.
CREATE INDEX thing_permission_home ON ledger.thing (owner, changed) WHERE kind = 'permission';
CREATE INDEX thing_permission_host ON ledger.thing ((data ->> 'host'), changed) WHERE kind = 'permission';
