#!/bin/sh
# Runs once, when the PostgreSQL volume is new: one role and one database a process, passwords from secret files.
set -eu
create() {
    role=$1 database=$2 secret=$3
    password=$(head -n 1 "/run/secrets/$secret")
    # The password goes in over standard input: it stands in no process list.
    psql --no-psqlrc --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
        --set=role="$role" <<SQL
\set password '$(printf %s "$password" | sed "s/'/''/g")'
CREATE ROLE :"role" LOGIN PASSWORD :'password';
SQL
    if [ -n "$database" ]; then
        createdb --username "$POSTGRES_USER" --owner "$role" "$database"
    fi
}
# The schema `read` grants to passerelle_read; the query service logs in as a member of it.
psql --no-psqlrc --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres --command 'CREATE ROLE passerelle_read NOLOGIN'
create ledger ledger ledger_password
create query "" read_password
psql --no-psqlrc --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres --command 'GRANT passerelle_read TO query'
create operator operator operator_password
create node node node_password
create portal portal portal_password
