# shellcheck shell=bash
# Sourced by scripts/check-fresh: fresh systems in folders, made with debootstrap and entered with chroot.

# Where a suite comes from, and whose it is ("Ubuntu http://..."): of what this machine's own apt reads, and the folders
# beside it, the first that has the suite.
find_mirror() {
  local suite=$1 site
  # shellcheck disable=SC2016  # apt's variables
  for site in ${MIRROR:-} $(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sort -u |
    sed -n 'p; s,/[^/]*/$,/debian/,p; s,/debian/$,/ubuntu/,p' | sort -u); do
    if "$python_here" -c 'import re, sys, urllib.request
release = urllib.request.urlopen(sys.argv[1] + "/dists/" + sys.argv[2] + "/Release", timeout=30).read().decode()
print(re.search("^Origin: (.*)", release, re.M)[1], sys.argv[1])' "${site%/}" "$suite" 2>/dev/null; then
      return
    fi
  done
  echo "no mirror known here has $suite; name one: MIRROR=http://... scripts/check-fresh $suite" >&2
  return 1
}
python_here=$(command -v python3)

# A base system with this machine's proxies and certificates, and no cache.
make_base() {
  local suite=$1 base=$2 found origin mirror keyring signed=() script=()
  found=$(find_mirror "$suite") || return
  read -r origin mirror <<<"$found"
  keyring=/usr/share/keyrings/${origin,,}-archive-keyring.gpg
  # A suite that is younger than this machine's debootstrap is made like its predecessors.
  if [ ! -e "/usr/share/debootstrap/scripts/$suite" ]; then
    script=(sid)
    [ "$origin" != Ubuntu ] || script=(gutsy)
  fi
  signed=(--keyring="$keyring")
  if [ ! -e "$keyring" ]; then
    $unsigned || { echo "$keyring is missing, so $suite cannot be checked; install it, or add --unsigned" >&2; return 1; }
    signed=(--no-check-gpg)
  fi
  debootstrap --variant=minbase "${signed[@]}" --include=ca-certificates "$suite" "$base" "$mirror" "${script[@]}" >"$base.log" 2>&1 || {
    tail -n 20 "$base.log" >&2
    return 1
  }
  {
    echo "deb $mirror $suite main$([ "$origin" != Ubuntu ] || echo ' universe')"
    # Point releases and security fixes, where this suite has them.
    [ "$origin" != Debian ] || case $suite in
      testing | sid | unstable) ;;
      *) echo "deb $mirror-security $suite-security main" && echo "deb $mirror $suite-updates main" ;;
    esac
  } >"$base/etc/apt/sources.list"
  apt-config dump | grep -E '^Acquire::(http|https|ftp)::' >"$base/etc/apt/apt.conf.d/90this-machine" || true
  if $unsigned; then echo 'Acquire::Check-Valid-Until "false";' >"$base/etc/apt/apt.conf.d/90unsigned"; fi
  cp -L /etc/resolv.conf "$base/etc/resolv.conf"
  echo "127.0.0.1 localhost $(hostname)" >>"$base/etc/hosts"
  cp /usr/local/share/ca-certificates/*.crt "$base/usr/local/share/ca-certificates/" 2>/dev/null || true
  write_pip_conf "$base"
  enter "$base" root 'update-ca-certificates >/dev/null 2>&1 && apt-get -qq update'
}

# This machine's package index, proxy and certificates for pip; no constraints, find-links, local folders or cache.
write_pip_conf() {
  local base=$1 key value cert
  {
    echo "[global]"
    echo "no-cache-dir = true"
    echo "only-binary = :all:" # where a wheel exists no source package may be built: none is needed
    for key in index-url extra-index-url trusted-host proxy timeout; do
      value=$(pip_setting $key | tr ' ' '\n' | grep -v '^file:' | tr '\n' ' ')
      [ -z "${value// /}" ] || echo "$key = $value"
    done
    cert=$(pip_setting cert)
    [ -z "$cert" ] || echo "cert = /etc/ssl/this-machine.crt"
  } >"$base/etc/pip.conf"
  [ -z "$cert" ] || cp -L "$cert" "$base/etc/ssl/this-machine.crt"
}

pip_setting() { "$python_here" -m pip config list 2>/dev/null | sed -n "s/^[^.]*\.\.\?$1='\(.*\)'$/\1/p" | tail -n 1; }

# What the README asks for: a base system with python3 and git, and a user with sudo whose home is empty.
make_machine() {
  cp -a "$1" "$2"
  enter "$2" root "DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends python3 git sudo ${PYTHON:-} \
    >/dev/null 2>&1 && useradd --create-home --shell /bin/bash user && echo 'user ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/user
    python3 --version"
}

# Runs a command in a system, as a user with that user's own environment: enter FOLDER USER COMMAND
# Mounts and processes are in namespaces of their own and end with it.
enter() {
  # shellcheck disable=SC2016  # the inner shell's variables
  unshare --mount --pid --fork --kill-child --propagation private bash -euc '
    mount -t proc proc "$0/proc"
    mount -t sysfs sysfs "$0/sys"
    mount --rbind /dev "$0/dev"
    exec chroot "$0" env -i TERM="${TERM:-dumb}" su -l "$1" -c "export LANG=C.UTF-8; $2"' "$1" "$2" "$3" </dev/null
}

clone() {
  local home=root
  [ "$2" = root ] || home=home/$2
  git -c safe.directory='*' clone -q --depth 1 "file://$PWD" "$1/$home/raddle"
  [ "$2" = root ] || chroot "$1" chown -R "$2:" "/$home/raddle"
}

# The steps of Containerfile, then those of deploy/Containerfile upon it: a bench in the first image, and in the second a
# controller beside its switches, until its own health check finds it well.
run_container() {
  local suite=$1 folder=$2
  follow "$folder" Containerfile base || return
  enter "$folder/last" root "cd /raddle && raddle bench leaf-spine-16 -b 1M -e 1M" || return
  mv "$folder/last" "$folder/raddle" && follow "$folder" deploy/Containerfile raddle || return
  enter "$folder/last" root "mkdir -p /etc/raddle/fabric && raddle examples leaf-spine-16 >/etc/raddle/fabric/fabric.yaml"
  # shellcheck disable=SC2154  # 'follow' has them from the file
  enter "$folder/last" "$user" "raddle up /etc/raddle/fabric/fabric.yaml --inventory /var/lib/raddle/inventory.json >/tmp/up 2>&1 &
    for i in \$(seq 300); do [ -e /var/lib/raddle/inventory.json ] && break; sleep 0.2; done
    $entrypoint & for i in \$(seq 300); do $healthcheck 2>/dev/null && raddle controller status --wait 100 && exit; sleep 0.2; done; exit 1"
}

# Follows a file's steps, one system for each of its stages, the last named 'last': follow FOLDER FILE BASE
# Leaves its 'entrypoint', 'healthcheck' and 'user'.
follow() {
  local folder=$1 file=$2 stage="" word rest directory=/
  user=root entrypoint="" healthcheck=""
  while read -r word rest; do
    case $word in
      ARG | VOLUME) ;;
      FROM)
        stage=last
        [[ $rest != *" AS "* ]] || stage=${rest##* AS }
        directory=/
        cp -a "$folder/$3" "$folder/$stage"
        ;;
      COPY) copy_into "$folder" "$stage" "$rest" ;;
      WORKDIR) directory=$rest && mkdir -p "$folder/$stage$rest" ;;
      USER) user=$rest ;;
      RUN) enter "$folder/$stage" root "cd $directory && export DEBIAN_FRONTEND=noninteractive && { $rest; } >/tmp/log 2>&1 || { tail -n 20 /tmp/log >&2; exit 1; }" || return ;;
      HEALTHCHECK) healthcheck=$(words "${rest#CMD }") ;;
      ENTRYPOINT) entrypoint=$(words "$rest") ;;
      *) echo "$file: $word is not understood here" >&2 && return 1 ;;
    esac
  done < <(sed -e :a -e '/\\$/N; s/\\\n//; ta' "$file" | grep -v '^ *#\|^ *$')
}

# A command that stands there as JSON, as a shell takes it.
words() { "$python_here" -c 'import json, shlex, sys; print(shlex.join(json.loads(sys.argv[1])))' "$1"; }

# COPY SOURCE TARGET of the last commit, or of another stage; of a folder its contents.
copy_into() {
  local folder=$1 stage=$2 from="" source target
  read -r source target <<<"$3"
  if [[ $source == --from=* ]]; then
    from=$folder/${source#--from=}
    read -r source target <<<"$target"
  fi
  mkdir -p "$folder/$stage$target"
  if [ -n "$from" ]; then
    cp -a "$from$source/." "$folder/$stage$target"
  else
    local tree=HEAD:${source#.} file=()
    [ "$(git cat-file -t "$tree")" = tree ] || { tree=HEAD && file=("$source"); }
    git archive "$tree" "${file[@]}" | tar -x -C "$folder/$stage$target"
  fi
}
