#!/usr/bin/env bash
# Runs a command with a throw-away PostgreSQL on a Unix socket: scripts/with_postgresql.sh make test
# Needs Debian's package postgresql; as root the server runs as the user postgres.
set -euo pipefail
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] || { echo 'no PostgreSQL here: apt install postgresql' >&2; exit 1; }
folder=$(mktemp -d /tmp/kykysilta-postgresql-XXXXXX)
as() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
[ "$(id -u)" != 0 ] || chown postgres "$folder"
stop() { as "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$folder"; }
trap stop EXIT
as "$bin/initdb" -D "$folder/data" -U kykysilta -A trust --encoding=UTF8 --locale=C >/dev/null
as "$bin/pg_ctl" -D "$folder/data" -w -l "$folder/log" \
  -o "-c listen_addresses='' -c unix_socket_directories='$folder' -c max_connections=200" start >/dev/null
export KYKYSILTA_TEST_POSTGRESQL="postgresql+psycopg://kykysilta@/postgres?host=$folder"
"$@"
