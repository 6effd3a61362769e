#!/usr/bin/env bash
# Brings Rodízio to the version of an artifact, and back to the one before when the new one does not come up.
set -euo pipefail
# A connection that breaks does not leave the work half-done.
trap '' HUP

usage() {
  cat <<'TEXT'
Usage: upgrade.sh FILE|https://… --sha256 HEX [--wait SECONDS] [--without-backup]

Checks the artifact, stops the service, backs its database up and proves the backup, turns to the new version, starts it,
and waits until it is ready. If it is not, the old version comes back, with the database from that backup if the new one
has changed its form. Sessions elsewhere go on meanwhile. The first time it installs.

Cut short at any moment, it leaves the old version or the new one in place, whole; called again, it first finishes what was begun.

  --wait SECONDS     how long the new version may take to be ready (120)
  --without-backup   for a version that cannot make one yet: then a database that was changed stays changed
  --root FOLDER      works below that folder instead of /, for trying it out
Example:
  sudo rodizio-upgrade /tmp/rodizio-0.2.0-linux-x64.tar.gz --sha256 9f86…
Exit status: 0 done, 1 failed and the old version runs, 2 misused, 5 failed and nothing runs.
TEXT
}
say() { echo "upgrade: $1" || true; } # nobody may be listening any more
stop() {
  echo "upgrade: $1" >&2 || true
  echo "  ${2:-upgrade.sh --help says how it is called}" >&2 || true
  exit "${3:-2}"
}

artifact='' sha256='' wait=120 with_backup=yes root=''
while [ $# -gt 0 ]; do
  case "$1" in
  --help) usage && exit 0 ;;
  --without-backup) with_backup='' && shift ;;
  --sha256 | --wait | --root)
    [ $# -ge 2 ] || stop "$1 wants a value"
    case "$1" in --sha256) sha256="$2" ;; --wait) wait="$2" ;; --root) root="${2%/}" ;; esac
    shift 2
    ;;
  -*) stop "there is no flag $1" ;;
  *)
    [ -z "$artifact" ] || stop "one artifact, not two: $artifact and $1"
    artifact="$1" && shift
    ;;
  esac
done
[ -n "$artifact" ] || stop 'which artifact?'
[[ "$sha256" =~ ^[0-9a-f]{64}$ ]] || stop '--sha256 wants the 64 hexadecimal digits of the artifact' 'npm run package has printed them'
[[ "$wait" =~ ^[1-9][0-9]*$ ]] || stop '--wait wants whole seconds'
[ -n "$root" ] || [ "$(id -u)" -eq 0 ] || stop 'only root may upgrade' 'Say it again with sudo' 4

opt="$root/opt/rodizio" data="$root/var/lib/rodizio" backups="$root/var/backups/rodizio"
units="$root/etc/systemd/system" local="$root/usr/local" journal="$root/opt/rodizio/upgrade.state"
mkdir -p "$opt/versions" "$units" "$local/bin" "$local/sbin"
exec 9>"$opt/upgrade.lock"
flock --nonblock 9 || stop 'another upgrade is under way' 'Wait for its end' 1
incoming="$opt/versions/.incoming"

# What is done as the service's user, with nothing of this shell's settings.
as_service() {
  local clean=(env -i "HOME=$data" PATH=/usr/local/bin:/usr/bin:/bin "RODIZIO_DATA_DIR=$data")
  if [ -n "$root" ]; then
    "${clean[@]}" "$@" 9>&-
  else
    runuser -u rodizio -- "${clean[@]}" "$@" 9>&-
  fi
}
unit() { systemctl "$@" 9>&-; }
current() { readlink "$opt/current" 2>/dev/null | sed 's,^versions/,,' || true; }
said_in_journal() { sed -n "s/^$1=//p" "$journal" 2>/dev/null || true; }

# The plan, whole or not at all: what a later call goes by when this one dies.
write_journal() {
  printf 'stage=%s\nfrom=%s\nto=%s\nbackup=%s\n' "$1" "$from" "$to" "$backup" >"$journal.new"
  sync "$journal.new"
  mv -T "$journal.new" "$journal"
}

turn_to() {
  ln -sfn "versions/$1" "$opt/current.new"
  mv -T "$opt/current.new" "$opt/current"
  local vm="$opt/versions/$1/deploy/vm"
  install -m 0755 "$vm/rodizio" "$local/bin/rodizio"
  ln -sfn /opt/rodizio/current/deploy/vm/upgrade.sh "$local/sbin/rodizio-upgrade"
  install -m 0644 "$vm/rodizio.service" "$units/rodizio.service"
  sync -f "$opt"
  unit daemon-reload
}

# Waits until a service of that version answers and is ready; five looks a second.
is_ready() {
  "$opt/versions/$1/runtime/node" --input-type=module - "$data/service.json" "$opt/versions/$1/package.json" "$2" 9>&- <<'JS'
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
const [serviceFile, projectFile, seconds] = process.argv.slice(2)
const { version } = JSON.parse(readFileSync(projectFile, 'utf8'))
const ready = async () => {
  const { url, pid } = JSON.parse(readFileSync(serviceFile, 'utf8'))
  process.kill(pid, 0)
  const ask = (path) => fetch(`${url}${path}`, { signal: AbortSignal.timeout(3000) })
  const health = await ask('/health')
  return health.ok && (await health.json()).version === version && (await ask('/ready')).ok
}
const end = Date.now() + Number(seconds) * 1000
do {
  if (await ready().catch(() => false)) process.exit(0)
  await delay(200)
} while (Date.now() < end)
process.exit(1)
JS
}

# Whether the database has a form that this version does not know, or cannot be read at all.
has_outgrown() {
  [ -e "$data/rodizio.db" ] || return 1
  as_service "$opt/versions/$1/runtime/node" --no-warnings --input-type=module - \
    "$data/rodizio.db" "$opt/versions/$1/migrations" <<'JS'
import { readdirSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
const [file, migrations] = process.argv.slice(2)
const known = Math.max(0, ...readdirSync(migrations).map((name) => Number(/^(\d{4})_.*\.sql$/.exec(name)?.[1] ?? 0)))
let newest
try {
  const db = new DatabaseSync(file)
  const isMade = db.prepare("select 1 from sqlite_master where name = 'migrations'").get()
  newest = isMade ? (db.prepare('select max(number) as newest from migrations').get().newest ?? 0) : 0
} catch (error) {
  process.stderr.write(`upgrade: the database cannot be read: ${error.message}\n`)
  process.exit(0)
}
process.exit(newest > known ? 0 : 1)
JS
}

# With the service stopped, so that nothing happens after it which it does not hold.
take_backup() {
  [ -e "$data/rodizio.db" ] || return 0
  if [ -z "$with_backup" ]; then
    say 'no backup is made, as told'
    return 0
  fi
  local folder answer name program="$opt/versions/$from/bin/rodizio"
  folder="$backups/upgrade-$(date -u +%Y%m%dT%H%M%SZ)"
  if [ -n "$root" ]; then mkdir -p "$folder"; else install -d -m 0700 -o rodizio -g rodizio "$backups" "$folder"; fi
  answer="$(as_service "$program" backup create --to "folder:$folder" --json)" || return 1
  name="$("$opt/versions/$from/runtime/node" -p 'JSON.parse(process.argv[1]).name' "$answer" 9>&-)" || return 1
  [ -e "$folder/$name" ] || return 1
  as_service "$program" backup verify "$folder/$name" >&2 || return 1
  backup="$folder/$name"
  say "backed up and verified: $backup"
}

restore_database() {
  local fresh="$data/.restored"
  rm -rf "$fresh"
  as_service "$opt/versions/$from/bin/rodizio" restore "$backup" --into "$fresh" >&2 || return 1
  [ -e "$fresh/rodizio.db" ] || return 1
  # Its log belongs to the database that goes, and would be read into the one that comes.
  rm -f "$data/rodizio.db-wal" "$data/rodizio.db-shm"
  mv -T "$fresh/rodizio.db" "$data/rodizio.db" || return 1
  sync -f "$data"
  rm -rf "$fresh"
}

# To the version before; whatever fails here, what comes after it is tried all the same.
roll_back() {
  say "back to $from"
  write_journal back
  unit stop rodizio || true
  turn_to "$from"
  if has_outgrown "$from"; then
    if [ -z "$backup" ]; then
      stop "the database has the form of $to, and there is no backup from before" \
        "Install a version that knows this form; $from does not start on it" 5
    fi
    say 'the database comes back from its backup; sessions that were running are ended by that'
    restore_database || stop "$backup could not be restored" "Try by hand: sudo rodizio restore $backup --into FOLDER" 5
  fi
  unit start rodizio
  # However short the new one was waited for: there is nothing left to go back to.
  is_ready "$from" $((wait > 120 ? wait : 120)) || stop "$from does not come up either" 'Look why: journalctl -u rodizio -n 50' 5
  rm -f "$journal"
  say "$from runs again"
}

begun=''
ended() {
  local status=$?
  trap - EXIT
  rm -rf "$incoming"
  if [ "$status" -ne 0 ] && [ -n "$begun" ]; then
    begun=''
    if [ -n "$from" ]; then
      roll_back || exit 5
    else
      say 'the first installation did not come up: journalctl -u rodizio -n 50 says why'
    fi
  fi
  exit "$status"
}
trap ended EXIT
trap 'exit 130' INT TERM

# What an earlier call has begun: on to its end where the new version is well, else back.
finish_earlier() {
  [ -e "$journal" ] || return 0
  local stage
  stage="$(said_in_journal stage)" from="$(said_in_journal from)" to="$(said_in_journal to)" backup="$(said_in_journal backup)"
  say "an earlier upgrade to $to was cut short"
  if [ -z "$from" ] || { [ "$stage" != back ] && [ "$(current)" != "$to" ]; }; then
    # Not turned yet, or nothing to go back to.
    [ -z "$(current)" ] || unit start rodizio
  elif [ "$stage" != back ] && unit restart rodizio && is_ready "$to" "$wait"; then
    say "$to runs"
  elif [ "$stage" != back ] && [ -n "$backup" ] && [ -z "$(find "$journal" -mmin -60)" ]; then
    stop 'that was more than an hour ago: its backup is too old to go back to unasked' \
      "See why $to does not run (journalctl -u rodizio), or remove $journal" 5
  else
    roll_back
  fi
  rm -f "$journal"
}

fetch() {
  file="$artifact"
  case "$artifact" in
  https://*)
    mkdir -p "$incoming"
    file="$incoming/artifact"
    say "fetching $artifact"
    curl --proto '=https' --fail --location --silent --show-error --retry 3 --output "$file" "$artifact" ||
      stop "$artifact could not be fetched" 'Look at the address and the network; nothing was changed' 1
    ;;
  *://*) stop 'only https:// addresses are fetched' ;;
  *) [ -f "$file" ] || stop "there is no file $file" 'Give the path of the artifact, or its https:// address' ;;
  esac
  echo "$sha256  $file" | sha256sum --check --status ||
    stop "$artifact does not have that SHA-256; nothing was changed" 'It is another file, or was damaged on its way: fetch it again' 1
}

# Beside the other versions, whole or not at all.
unpack() {
  local top
  mkdir -p "$incoming/unpacked"
  tar -xzf "$file" -C "$incoming/unpacked" --no-same-owner || stop 'the artifact cannot be unpacked' 'Is the disk full? Nothing was changed' 1
  top="$(ls "$incoming/unpacked")"
  [ -f "$incoming/unpacked/$top/bin/rodizio" ] || stop 'that is no artifact of Rodízio' 'npm run package makes one'
  (cd "$incoming/unpacked/$top" && sha256sum --check --quiet --strict SHA256SUMS >&2) ||
    stop 'the artifact is not whole' 'Fetch it again; nothing was changed' 1
  version="$("$incoming/unpacked/$top/bin/rodizio" --version 9>&-)" ||
    stop "the program of $top does not run on this machine ($(uname -m))" 'There is an artifact for linux-x64 and one for linux-arm64' 1
  to="$version-${sha256:0:12}"
  if [ ! -e "$opt/versions/$to" ]; then
    sync -f "$incoming"
    mv -T "$incoming/unpacked/$top" "$opt/versions/$to"
  fi
  rm -rf "$incoming"
}

# The current one, the one before and one more stay.
prune() {
  local name kept=0
  while read -r name; do
    if [ "$name" = "$to" ] || [ "$name" = "$from" ]; then continue; fi
    kept=$((kept + 1))
    [ "$kept" -le 1 ] || rm -rf "${opt:?}/versions/$name"
  done < <(find "$opt/versions" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %f\n' | sort -rn | cut -d' ' -f2)
  kept=0
  while read -r name; do
    kept=$((kept + 1))
    [ "$kept" -le 3 ] || rm -rf "${backups:?}/$name"
  done < <(find "$backups" -mindepth 1 -maxdepth 1 -type d -name 'upgrade-*' -printf '%f\n' 2>/dev/null | sort -r)
}

from='' to='' backup='' file='' version=''
rm -rf "$incoming"
finish_earlier
backup=''
fetch
unpack
from="$(current)"
if [ "$from" = "$to" ]; then
  turn_to "$to"
  unit enable rodizio
  unit start rodizio
  is_ready "$to" "$wait" || stop "$to is installed, and does not come up" 'Look why: journalctl -u rodizio -n 50' 5
  say "$to is what runs: nothing to do"
  exit 0
fi
write_journal begun
begun=yes
if [ -n "$from" ]; then
  unit stop rodizio
  take_backup || stop 'the backup failed: no upgrade without one' 'Read why above; --without-backup goes without' 1
  write_journal begun
fi
turn_to "$to"
unit enable rodizio
unit start rodizio
say "waiting for $to"
is_ready "$to" "$wait" || stop "$to was not ready within $wait s" 'Look why: journalctl -u rodizio -n 50' 1
begun=''
rm -f "$journal"
prune
say "$to runs${from:+; before it ran $from}"
