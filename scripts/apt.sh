# shellcheck shell=bash
# Sourced by scripts/setup: system packages on Debian and Ubuntu.

as_root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || fail "installing packages needs root: run this as root, or install sudo"
  as_root=(sudo)
fi

# apt-get with its own account of how far it is (APT::Status-Fd, one line a step, per cent with decimals).
apt_get() {
  local kind percent text errors
  errors=$(mktemp)
  if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -o APT::Status-Fd=1 "$@" </dev/null 2>"$errors" |
    while IFS=: read -r kind _ percent text; do
      case $kind in
        dlstatus) echo "$((${percent%%.*} / 2)) % $text" ;;
        pmstatus) echo "$((50 + ${percent%%.*} / 2)) % $text" ;;
      esac
    done | progress; then
    cat "$errors" >&2
    rm -f "$errors"
    return 1
  fi
  rm -f "$errors"
}

apt_updated=false
apt_update() {
  $apt_updated || apt_get update -qq || say "apt-get update failed; going on with the lists that are here"
  apt_updated=true
}

apt_install() {
  # Programs are wanted, not services: the tests start what they need, privately, and stop it.
  local policy=/usr/sbin/policy-rc.d ours=false failed=false
  apt_update
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
    ours=true
  fi
  apt_get install -y --no-install-recommends "$@" || failed=true
  if $ours; then "${as_root[@]}" rm -f "$policy"; fi
  ! $failed
}

# What some tests need, a line each: the command, what tests do with it, its package by its name in several releases.
tools="
yanglint|SONiC's YANG models|libyang3-tools libyang-tools libyang2-tools yang-tools
redis-server|a switch's databases in Redis|redis-server
ovs-vswitchd|OpenFlow switches|openvswitch-switch
mnexec|emulation|mininet
iperf3|traffic of an emulation|iperf3
tshark|captured packets|tshark
ethtool|interfaces of an emulation|ethtool
ping|reachability in an emulation|iputils-ping
ip|namespaces of an emulation|iproute2
openssl|certificates of sessions|openssl
etcd|controllers that stand by|etcd-server
prometheus|metrics and alert rules|prometheus
chromedriver|pages in a browser|chromium-driver
xmllint|JUnit XML by its schema|libxml2-utils
"

# Whether apt knows the package. No pipe: one that ends early makes apt-cache fail where it has several versions to tell of.
has_package() {
  local policy
  policy=$(apt-cache policy "$1" 2>/dev/null) || return 1
  [[ $policy == *"Candidate: "[!\(]* ]]
}

apt_install_tools() {
  local command what names name package
  while IFS='|' read -r command what names; do
    if [ -z "$command" ] || PATH="$PATH:/usr/sbin:/sbin" command -v "$command" >/dev/null; then continue; fi
    package=""
    if command -v apt-get >/dev/null; then
      apt_update
      for name in $names; do
        if has_package "$name"; then package=$name && break; fi
      done
    fi
    if [ -n "$package" ] && say "installing $package" && apt_install "$package"; then continue; fi
    say "no $command here ($what): the tests that need it are skipped and say so"
  done <<<"$tools"
}
