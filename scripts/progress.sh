# shellcheck shell=bash
# Sourced by other scripts: how long work shows how far it is.

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
if [ ! -t 2 ] || [ -n "${NO_COLOR:-}" ]; then
  say() { printf '%s\n' "$*" >&2; }
fi

# Reads lines "PART TOTAL TEXT" (or "PART % TEXT") and shows them on stderr: in a terminal as one line that counts,
# elsewhere (a CI log) as a line for every tenth.
progress() {
  local part total text tenth shown=-1 how_far
  while read -r part total text; do
    how_far="$part of $total"
    if [ "$total" = % ]; then how_far="$part %" total=100; fi
    tenth=$((part * 10 / (total > 0 ? total : 1)))
    if [ -t 2 ]; then
      printf '\r\033[K  %s  %.70s' "$how_far" "$text" >&2
    elif [ "$tenth" -gt $shown ]; then
      printf '  %s  %s\n' "$how_far" "$text" >&2
      shown=$tenth
    fi
  done
  [ ! -t 2 ] || printf '\r\033[K' >&2
}

# Reads what 'pip install' prints about $1 packages.
pip_progress() {
  local word name rest part=0
  while read -r word name rest; do
    case $word in
      Collecting) echo "$((part += 1)) $1 ${name%%;*}" ;;
      Installing) echo "$1 $1 unpacking" ;;
    esac
  done | progress
}

# Reads what ninja prints: "[3/40] Building CXX object ...".
build_progress() {
  local word rest
  while read -r word rest; do
    if [[ $word =~ ^\[([0-9]+)/([0-9]+)\]$ ]]; then
      echo "${BASH_REMATCH[1]} ${BASH_REMATCH[2]} ${rest##*/}"
    fi
  done | progress
}
