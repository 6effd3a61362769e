#!/usr/bin/env bash
# Makes a machine ready for Rodízio, then installs it by upgrade.sh. Again and again does no harm.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: install.sh ARTIFACT --sha256 HEX --host NAME|sslip

For Debian 12 or Ubuntu 24.04 and newer, as root. Makes the user, its folders and HTTPS by Caddy, then starts the service.
  --host NAME    under which the machine is reached from outside; ports 80 and 443 must be open to it
  --host sslip   the free name of the machine's public address, such as 203-0-113-7.sslip.io
Example:
  sudo ./install.sh /tmp/rodizio-0.1.0-linux-x64.tar.gz --sha256 9f86… --host rodizio.duckdns.org
TEXT
}
stop() {
  echo "install: $1" >&2
  echo "  ${2:-install.sh --help says how it is called}" >&2
  exit "${3:-2}"
}

artifact='' sha256='' host=''
while [ $# -gt 0 ]; do
  case "$1" in
  --help) usage && exit 0 ;;
  --sha256 | --host)
    [ $# -ge 2 ] || stop "$1 wants a value"
    case "$1" in --sha256) sha256="$2" ;; --host) host="$2" ;; esac
    shift 2
    ;;
  -*) stop "there is no flag $1" ;;
  *) artifact="$1" && shift ;;
  esac
done
[ -n "$artifact" ] || stop 'which artifact?'
[ -n "$sha256" ] || stop 'its SHA-256 is missing' 'npm run package has printed it'
[ -n "$host" ] || stop 'under which name is this machine reached?' 'Give --host NAME, or --host sslip'
[ "$(id -u)" -eq 0 ] || stop 'only root may install' 'Say it again with sudo' 4
here="$(cd "$(dirname "$(readlink -f "$0")")" && pwd)"

# The public address, as the cloud knows it or as the machine has it.
public_address() {
  local metadata=http://169.254.169.254/computeMetadata/v1/instance/network-interfaces/0/access-configs/0/external-ip
  curl --fail --silent --max-time 3 -H 'Metadata-Flavor: Google' "$metadata" ||
    curl --proto '=https' --fail --silent --max-time 10 https://checkip.amazonaws.com
}
if [ "$host" = sslip ]; then
  address="$(public_address | tr -d '[:space:]')" || stop 'the public address of this machine could not be learnt' 'Give --host NAME' 5
  [[ "$address" =~ ^[0-9]{1,3}(\.[0-9]{1,3}){3}$ ]] || stop "no IPv4 address: ${address:-nothing}" 'Give --host NAME' 5
  host="${address//./-}.sslip.io"
fi
[[ "$host" =~ ^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$ && "$host" == *.* ]] || stop "$host is no host name" 'One such as rodizio.duckdns.org, without https://'

missing=()
for program in caddy curl python3; do command -v "$program" >/dev/null || missing+=("$program"); done
if [ "${#missing[@]}" -gt 0 ]; then
  command -v apt-get >/dev/null || stop "missing here: ${missing[*]}" 'Install them, then try again' 5
  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
fi

id rodizio >/dev/null 2>&1 ||
  useradd --system --home-dir /var/lib/rodizio --no-create-home --shell /usr/sbin/nologin rodizio
install -d -m 0755 /etc/rodizio
install -d -m 0700 /etc/rodizio/credentials
install -d -m 0700 -o rodizio -g rodizio /var/lib/rodizio /var/backups/rodizio

"$here/upgrade.sh" "$artifact" --sha256 "$sha256"

printf 'RODIZIO_SITE=%s\n' "$host" >/etc/rodizio/caddy.env
install -d /etc/systemd/system/caddy.service.d
printf '[Service]\nEnvironmentFile=/etc/rodizio/caddy.env\n' >/etc/systemd/system/caddy.service.d/rodizio.conf
install -m 0644 "$here/Caddyfile" /etc/caddy/Caddyfile
systemctl daemon-reload
systemctl enable caddy
systemctl restart caddy
echo "Rodízio is served at https://$host (its certificate may take a minute)."
echo "  Next: sudo rodizio init --public-url https://$host"
