# Sourced by other scripts: how long work shows how far it is.

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
if [ ! -t 2 ] || [ -n "${NO_COLOR:-}" ]; then
  say() { printf '%s\n' "$*" >&2; }
fi

# Reads lines "PART TOTAL TEXT" and shows them on stderr: in a terminal as one line that counts, elsewhere (a CI log) as
# a line for every tenth.
progress() {
  local part total text tenth shown=-1
  while read -r part total text; do
    if [ -t 2 ]; then
      printf '\r\033[K  %s of %s  %.70s' "$part" "$total" "$text" >&2
      continue
    fi
    tenth=$((part * 10 / (total > 0 ? total : 1)))
    [ "$tenth" -le $shown ] || printf '  %s of %s  %s\n' "$part" "$total" "$text" >&2
    [ "$tenth" -le $shown ] || shown=$tenth
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
