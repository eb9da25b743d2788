#!/usr/bin/env bash
# Installs what the suites and tests drive, each pinned or from Debian:
#   mosquitto-clients   Debian package          mosquitto_pub, mosquitto_sub, mosquitto_rr
#   chromium            Debian package          MQTT.js in a page, by playwright-core
#   haproxy             Debian package          in front of the broker, for the PROXY protocol
#   paho-mqtt           PyPI, requirements.txt  into interop/.venv
#   mqtt (MQTT.js), playwright-core  npm, package-lock.json  into interop/node_modules
# What is there already is left alone, so a second run takes a moment and needs no network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

say() { printf 'interop: %s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}

# Two runs at once (two test processes) would write the same directories.
exec 9>.setup.lock
flock 9

# apt_install PACKAGE...: as root, or through sudo where it asks nothing.
apt_install() {
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    sudo -n true 2>/dev/null || die "cannot install $*: run as root \`apt-get install $*\`, then again this command"
    as_root=(sudo -n)
  fi
  command -v apt-get >/dev/null || die "cannot install $*: no apt-get here, install it by other means"
  say "installing Debian package $*"
  if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2 9>&-; then
    "${as_root[@]}" apt-get update -qq >&2 9>&-
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2 9>&-
  fi
}

# Checked once, so that a retry after a broken run starts again.
same() { [ -f "$2" ] && cmp -s "$1" "$2"; }

for tool in mosquitto_pub mosquitto_sub mosquitto_rr; do
  if ! command -v "$tool" >/dev/null; then
    apt_install mosquitto-clients
    break
  fi
done

command -v haproxy >/dev/null || [ -x /usr/sbin/haproxy ] || apt_install haproxy

command -v chromium >/dev/null || [ -n "${CHROMIUM:-}" ] || apt_install chromium

if ! same requirements.txt .venv/installed || ! .venv/bin/python -c 'import paho.mqtt.client' 2>/dev/null; then
  command -v python3 >/dev/null || die "python3 is missing: install Python 3.9 or later"
  python3 -c 'import venv, ensurepip' 2>/dev/null || apt_install python3-venv
  say "installing paho-mqtt into interop/.venv"
  rm -rf .venv
  python3 -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt >&2
  cp requirements.txt .venv/installed
fi

if ! same package-lock.json node_modules/.installed; then
  command -v node >/dev/null || die "node is missing: install Node.js 20 or later"
  command -v npm >/dev/null || apt_install npm
  say "installing MQTT.js and playwright-core into interop/node_modules"
  npm ci --silent >&2
  cp package-lock.json node_modules/.installed
fi
