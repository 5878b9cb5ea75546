#!/usr/bin/env bash
# All of it on one machine, without containers: PostgreSQL, the simulator, two workers, a plan that is submitted and followed.
# Everything ends, and its folder goes, when this ends; with KEEP=1 it goes on until Ctrl-C, to look at.
#
# It needs this program with its extras `worker` and `simulator`, and PostgreSQL's `initdb` and `pg_ctl`, on PATH or where
# Debian puts them. METRICS_PORT (9464) and the port after it are for the workers' figures.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d /tmp/reconciler-XXXXXX) # a socket's path must be short
port=${METRICS_PORT:-9464}
PATH=$PATH:$(printf %s: /usr/lib/postgresql/*/bin)
started=()

finish() {
  for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
  wait
  as_server pg_ctl stop --silent --mode fast --pgdata "$work/data" || true
  rm -rf "$work"
}
as_server() { # PostgreSQL refuses to run as root
  if [ "$(id -u)" = 0 ]; then (cd / && runuser -u nobody -- env PATH="$PATH" "$@"); else "$@"; fi
}
until_true() { # up to a minute
  local since=$SECONDS
  while [ $((SECONDS - since)) -lt 60 ]; do if "$@" 2>/dev/null; then return; fi; sleep 0.2; done
  echo "This did not become true: $*" >&2
  cat "$work"/*.log >&2
  return 1
}
trap finish EXIT

# 1. PostgreSQL, reached through a socket in the folder alone.
mkdir "$work/data" "$work/socket"
if [ "$(id -u)" = 0 ]; then chmod 755 "$work" && chown nobody "$work/data" "$work/socket"; fi
as_server initdb --pgdata "$work/data" --username postgres --auth trust --encoding UTF8 --locale C >/dev/null
as_server pg_ctl start --silent --wait --pgdata "$work/data" --log "$work/socket/server.log" \
  --options "-c listen_addresses= -c unix_socket_directories=$work/socket" || { cat "$work/socket/server.log" >&2; exit 1; }
export RECONCILER_LEDGER="postgresql://postgres@/postgres?host=$work/socket"

# 2. The simulator, in the API's place; a simulated minute each second.
reconciler simulator --port 0 --workspace "$here/../workspace.yaml" >"$work/simulator.txt" 2>"$work/simulator.log" &
started+=($!)
until_true grep --quiet EXTRUCT_API_TOKEN "$work/simulator.txt"
eval "$(grep '^  export' "$work/simulator.txt")"

# 3. The ledger, once, and two workers.
cd "$here"
reconciler ledger init
for number in 0 1; do
  reconciler --log-format json worker --metrics-port "127.0.0.1:$((port + number))" 2>"$work/worker-$number.log" &
  started+=($!)
done
for number in 0 1; do until_true curl --silent --fail --output /dev/null "http://127.0.0.1:$((port + number))/readyz"; done

# 4. A plan, which is the approval; submitted and followed. The exit code is the apply's own.
reconciler plan --out "$work/plan.json" >"$work/plan.txt"
apply=$(env -u EXTRUCT_API_TOKEN reconciler submit --plan "$work/plan.json")
code=0
env -u EXTRUCT_API_TOKEN reconciler follow "$apply" --timeout 120 || code=$?
for number in 0 1; do
  curl --silent "http://127.0.0.1:$((port + number))/metrics" | { grep '^reconciler_run_calls_total' || true; }
done
curl --silent "$EXTRUCT_API_URL/__simulator/charges" >"${CHARGES:-/dev/null}"
if [ "${KEEP:-}" = 1 ]; then echo "Everything runs on; RECONCILER_LEDGER=$RECONCILER_LEDGER" && wait; fi
exit "$code"
