#!/bin/sh
# Creates the user of the nodes, which owns their database and nothing else. PostgreSQL's image runs this once, when it
# initialises its data.
set -eu
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres \
    --set password="$(cat "${PASSWORD_FILE:-/run/secrets/postgres_password}")" <<'END'
CREATE ROLE meow LOGIN PASSWORD :'password';
CREATE DATABASE meow OWNER meow ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0;
END
