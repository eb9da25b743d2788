#!/usr/bin/env bash
# Runs the suites against a broker that is already there, after installing the clients:
#   interop/run.sh HOST PORT [SUITE...]
# SUITE is paho, mqttjs or mosquitto, all three without, or browser, for the port of a WebSocket. ONLY='5.0/will_*' runs some cases of each.
# TRANSPORT=tls CA_FILE=ca.pem, ws or wss goes another way than TCP: see harness/transport.py.
# The last line is `N passed, N failed`, and the exit code is 1 if one failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if [ $# -lt 2 ]; then
  sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
host=$1 port=$2
shift 2
suites=("$@")
[ ${#suites[@]} -gt 0 ] || suites=(paho mqttjs mosquitto)
only=${ONLY:-*}

./setup.sh

run_suite() {
  case $1 in
    paho | mosquitto)
      .venv/bin/python -m "suite_$1" --host "$host" --port "$port" --only "$only"
      ;;
    browser) node suite_browser/main.mjs --host "$host" --port "$port" --only "$only" ;;
    mqttjs) node suite_mqttjs/main.mjs --host "$host" --port "$port" --only "$only" ;;
    *)
      echo "no suite is called $1: paho, mqttjs, mosquitto, browser" >&2
      return 2
      ;;
  esac
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0 failed=0
for suite in "${suites[@]}"; do
  run_suite "$suite" </dev/null | tee "$log" || true
  if [[ $(tail -n 1 "$log") =~ ^$suite:\ ([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
    passed=$((passed + BASH_REMATCH[1]))
    failed=$((failed + BASH_REMATCH[2]))
  else
    # A suite that did not come to its last line has failed, whatever it printed.
    failed=$((failed + 1))
  fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
