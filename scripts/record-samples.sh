#!/bin/bash
# Record sample-logs/ anew with real MTAs (see sample-logs/README.md).
#
#   scripts/record-samples.sh [OUTPUT_DIRECTORY]
#
# Needs root on a Debian system with unshare, overlay mounts, python3 and apt-get. The packages are unpacked into a
# temporary directory, not installed. All that runs is inside namespaces of its own: nothing is sent anywhere.
# RECORD_DEBS=DIR keeps the package files in DIR and uses them again.
set -euo pipefail

export DEBIAN_FRONTEND=noninteractive LC_ALL=C TZ=UTC
PACKAGES=(
  postfix exim4-base exim4-daemon-light libidn12 libgnutls-dane0 libunbound8 libevent-2.1-7 sendmail-bin sendmail-base
  sendmail-cf m4 liblockfile1 libwrap0 libsigsegv2 libnsl2 libsasl2-2 libldap-2.5-0 libdb5.3 libicu72 rsyslog libestr0
  libfastjson4 liblognorm5
)

say() { printf '%s\n' "$*" >&2; }

fetch_packages() {
  local debs=$1
  mkdir -p "$debs"
  if ! ls "$debs"/postfix_*.deb >/dev/null 2>&1; then
    apt-get -q update >/dev/null
    (cd "$debs" && apt-get -q download "${PACKAGES[@]}" >/dev/null 2>&1)
  fi
}

# One tree for all packages. Of files that several packages bring, the first package's stays.
unpack_packages() {
  local debs=$1 root=$2 deb name
  mkdir -p "$root"
  for name in "${PACKAGES[@]}"; do
    deb=$(ls "$debs/${name}"_*.deb)
    mkdir -p "$root.one"
    dpkg -x "$deb" "$root.one"
    cp -a -n "$root.one/." "$root"
    rm -rf "$root.one"
  done
  cp -a -n "$root/lib/." "$root/usr/lib/"
}

main() {
  local here out work
  here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
  out=${1:-$here/../sample-logs}
  [ "$(id -u)" = 0 ] || { say "must be root (namespaces, private mounts)"; exit 1; }
  work=$(mktemp -d)
  # shellcheck disable=SC2064
  trap "rm -rf '$work'" EXIT
  chmod 755 "$work"
  fetch_packages "${RECORD_DEBS:-$work/debs}"
  unpack_packages "${RECORD_DEBS:-$work/debs}" "$work/root"
  mkdir -p "$out"
  out=$(cd "$out" && pwd)
  # The PID namespace ends every process when its first one ends.
  unshare --mount --net --uts --pid --ipc --fork --kill-child --mount-proc \
    bash "$here/recorder/inside.sh" "$work" "$out"
}

main "$@"
