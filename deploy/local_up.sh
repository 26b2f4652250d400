#!/usr/bin/env bash
# PostgreSQL and Redis for one machine, without Docker: in a folder of their own, on free ports of the loopback
# interface, with passwords made here. They are installed with `apt-get install postgresql redis-server`.
#
#   deploy/local_up.sh FOLDER         starts both and prints where they are (also in FOLDER/environment)
#   deploy/local_up.sh FOLDER stop    stops both; what they hold stays, and the next start goes on with it
set -euo pipefail
umask 077

fail() { echo "$1" >&2; exit 2; }
[ $# -ge 1 ] || fail "Which folder? deploy/local_up.sh FOLDER [stop]"
mkdir -p "$1"
folder=$(cd "$1" && pwd)
binaries=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$binaries" ] || fail "PostgreSQL is not installed: apt-get install postgresql"
command -v redis-server >/dev/null || fail "Redis is not installed: apt-get install redis-server"
# PostgreSQL refuses to run as root
as_owner=()
if [ "$(id -u)" = 0 ]; then as_owner=(runuser -u postgres --); fi

stop() {
  if [ -e "$folder/postgres/postmaster.pid" ]; then
    "${as_owner[@]}" "$binaries/pg_ctl" -D "$folder/postgres" -m fast stop >/dev/null || true
  fi
  if [ -e "$folder/redis/redis.pid" ]; then
    pid=$(cat "$folder/redis/redis.pid")
    kill "$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
  fi
}
stop
if [ "${2:-}" = stop ]; then exit 0; fi

password() { head -c 24 /dev/urandom | base64 | tr -d '+/='; }
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

if [ ! -e "$folder/password" ]; then password >"$folder/password"; fi
secret=$(cat "$folder/password")
if [ "$(id -u)" = 0 ]; then
  chmod 711 "$folder"
  mkdir -p "$folder/postgres" && chown postgres "$folder/postgres"
fi
if [ ! -e "$folder/postgres/PG_VERSION" ]; then
  # in a file, so that it stands in no list of processes
  cp "$folder/password" "$folder/for_postgres"
  if [ "$(id -u)" = 0 ]; then chown postgres "$folder/for_postgres"; fi
  "${as_owner[@]}" "$binaries/initdb" -D "$folder/postgres" -U dagster -A scram-sha-256 -E UTF8 --locale=C.UTF-8 \
    --pwfile="$folder/for_postgres" >/dev/null
  rm "$folder/for_postgres"
fi
postgres_port=$(free_port)
"${as_owner[@]}" "$binaries/pg_ctl" -D "$folder/postgres" -l "$folder/postgres/log" -w \
  -o "-h 127.0.0.1 -p $postgres_port -k $folder/postgres" start >/dev/null \
  || { cat "$folder/postgres/log" >&2; fail "PostgreSQL did not start"; }
export PGPASSWORD=$secret
postgres=(psql -q -h 127.0.0.1 -p "$postgres_port" -U dagster -d postgres)
"${postgres[@]}" -tAc "select 1 from pg_database where datname = 'dagster'" | grep -q 1 \
  || "${postgres[@]}" -c "create database dagster"

redis_port=$(free_port)
mkdir -p "$folder/redis"
cat >"$folder/redis/redis.conf" <<CONF
bind 127.0.0.1
port $redis_port
requirepass $secret
dir $folder/redis
pidfile $folder/redis/redis.pid
logfile $folder/redis/log
daemonize yes
appendonly yes
CONF
redis-server "$folder/redis/redis.conf"
tries=0
until REDISCLI_AUTH=$secret redis-cli -h 127.0.0.1 -p "$redis_port" ping 2>/dev/null | grep -q PONG; do
  tries=$((tries + 1))
  if [ $tries -gt 100 ]; then cat "$folder/redis/log" >&2; fail "Redis did not start"; fi
  sleep 0.1
done

cat >"$folder/environment" <<ENVIRONMENT
DAGSTER_PG_HOST=127.0.0.1
DAGSTER_PG_PORT=$postgres_port
DAGSTER_PG_DB=dagster
DAGSTER_PG_USERNAME=dagster
DAGSTER_PG_PASSWORD=$secret
DAGSTER_CELERY_BROKER=redis://:$secret@127.0.0.1:$redis_port/0
DAGSTER_CELERY_BACKEND=redis://:$secret@127.0.0.1:$redis_port/1
ENVIRONMENT
cat "$folder/environment"
