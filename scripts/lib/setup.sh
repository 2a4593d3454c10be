# shellcheck shell=bash
# Sets up what is missing, says so on standard error, and is quick when nothing is. Sourced by the scripts beside it.

export ORT_DISABLE_TELEMETRY=1  # onnxruntime >= 1.29 reports to its maker otherwise
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"  # where the programs of root are, also for a shell that is not a login

ROOT=$(pwd -P)
VENV=$ROOT/.venv
PYTHON=$VENV/bin/python
LOCK=requirements/dev.txt
STARTED_DOCKERD=
APT_UPDATED=

say() { printf '· %s\n' "$*" >&2; }
die() { printf 'scripts/%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }
is_root() { [ "$(id -u)" = 0 ]; }

# apt_install PACKAGE...
apt_install() {
    command -v apt-get >/dev/null || die "please install: $* (apt-get, which would do it, is not here)"
    is_root || die "not installed: $*. Run this as root, or first: sudo apt-get install -y --no-install-recommends $*"
    say "apt-get install $*"
    if [ -z "$APT_UPDATED" ]; then
        quietly apt-get -q update
        APT_UPDATED=1
    fi
    quietly env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$@"
}

# quietly COMMAND... shows what it printed only when it fails.
quietly() {
    local log
    log=$(mktemp -t edged-setup.XXXXXX)
    "$@" </dev/null >"$log" 2>&1 || { tail -n 20 "$log" >&2; die "failed: $* (all of it: $log)"; }
    rm -f "$log"
}

# need PROGRAM:PACKAGE... installs the packages of those programs that are missing.
need() {
    local missing=() pair
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
    done
    [ ${#missing[@]} = 0 ] || apt_install "${missing[@]}"
}

find_python() {
    local name
    for name in python3 python3.11 python3.12 python3.13 python3.14; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    die "Python 3.11 or newer is needed; the newest here is $(python3 -V 2>&1 || echo none)"
}

# ensure_venv run|dev: a virtual environment with edged itself, and for dev with all tools at their locked versions.
ensure_venv() {
    local kind=$1 stamp=$VENV/.edged-$1 want
    want=$(cat pyproject.toml "$LOCK" | cksum)
    # A virtual environment that was moved or copied still leads to its old place.
    if ! grep -qsF "$VENV" "$VENV/bin/activate" || ! "$PYTHON" -c '' 2>/dev/null; then
        make_venv
    elif [ "$(cat "$stamp" "$VENV/.edged-dev" 2>/dev/null | grep -cxF "$want")" != 0 ]; then
        return
    fi
    if [ "$kind" = dev ]; then
        say "installing edged and the tools that test it into .venv"
        install -r "$LOCK" -e .
    else
        say "installing edged into .venv"
        install -c "$LOCK" -e .
    fi
    echo "$want" >"$stamp"
}

# make_venv [PYTHON]
make_venv() {
    local python
    python=${1:-$(find_python)}
    say "making ${VENV##*/} with $("$python" -V)"
    rm -rf "$VENV"
    if command -v uv >/dev/null; then
        uv venv -q --python "$python" "$VENV"
        return
    fi
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        apt_install "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    fi
    "$python" -m venv "$VENV"
}

install() {
    if command -v uv >/dev/null; then
        uv pip install -q --python "$PYTHON" "$@"
    else
        "$PYTHON" -m pip install -q "$@"
    fi
}

# Whether an engine answers at DOCKER_HOST or the default socket: 0 yes, 1 no, 13 there is one and we may not use it.
engine_answers() {
    "$PYTHON" - <<'PY'
import os, socket, sys

url = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
if not url.startswith("unix://"):
    sys.exit(0)  # edged demo will see
with socket.socket(socket.AF_UNIX) as probe:
    probe.settimeout(5)
    try:
        probe.connect(url.removeprefix("unix://"))
        probe.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
        sys.exit(0 if b" 200 " in probe.recv(64) else 1)
    except PermissionError:
        sys.exit(13)
    except OSError:
        sys.exit(1)
PY
}

# A container engine that answers; one that had to be started is stopped when the script ends.
ensure_engine() {
    local code=0
    engine_answers || code=$?
    [ $code != 0 ] || return 0
    [ $code != 13 ] || die "you may not use the container engine: run this with sudo, or join the group docker"
    [ -z "${DOCKER_HOST:-}" ] || die "no container engine answers at DOCKER_HOST=$DOCKER_HOST"
    if ! is_root; then
        local cure="apt-get install -y docker.io"
        ! command -v dockerd >/dev/null || cure="systemctl start docker"
        die "no container engine runs. Run this as root, or first: sudo $cure"
    fi
    need_engine_programs
    engine_answers && return 0  # installing it has started it
    trap stop_engine EXIT
    if [ -d /run/systemd/system ]; then
        say "systemctl start docker (stopped again at the end)"
        STARTED_DOCKERD=systemd
        systemctl start docker
    else
        start_dockerd
    fi
    engine_answers || die "dockerd does not answer"
}

need_engine_programs() {
    need dockerd:docker.io iptables:iptables
    # Only recommended by docker.io, yet without them no container starts on such a host.
    if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ]; then
        need apparmor_parser:apparmor
    fi
    if ! grep -q ' cgroup2\? ' /proc/self/mounts; then
        need cgroupfs-mount:cgroupfs-mount
        cgroupfs-mount
    fi
}

# Only its programs are wanted: the package also starts a server, on every address.
need_prometheus() {
    if command -v prometheus >/dev/null; then
        return
    fi
    apt_install prometheus
    if [ -d /run/systemd/system ]; then
        systemctl disable --now prometheus
    fi
}

# A browser for the status page, and the script that looks for barriers in it: one file of a wheel, the rest of which
# (another browser) is not wanted.
need_browser() {
    local axe=0.1.8 folder
    need chromium:chromium
    folder=${XDG_CACHE_HOME:-$HOME/.cache}/edged-test/axe-$axe
    if [ ! -e "$folder" ]; then
        say "fetching axe-core"
        mkdir -p "${folder%/*}"
        rm -rf "$folder.new"
        install --no-deps --target "$folder.new" "axe-playwright-python==$axe"
        mv "$folder.new" "$folder"
    fi
}

# For tests on a whole device, which is made of Debian packages.
need_machine_programs() {
    need debootstrap:debootstrap nsenter:util-linux
    [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || apt_install debian-archive-keyring
}

# Without a bridge and without touching the firewall: the demo uses the host's network.
start_dockerd() {
    local log
    log=$(mktemp -t edged-dockerd.XXXXXX)
    say "starting dockerd (stopped again at the end; log: $log)"
    setsid dockerd --bridge=none --iptables=false --ip6tables=false --ip-masq=false >"$log" 2>&1 </dev/null &
    STARTED_DOCKERD=$!
    local tries=300
    until engine_answers; do
        kill -0 "$STARTED_DOCKERD" 2>/dev/null || { tail -n 5 "$log" >&2; die "dockerd did not start; see $log"; }
        tries=$((tries - 1))
        [ $tries -gt 0 ] || { tail -n 5 "$log" >&2; die "dockerd did not answer within 30 s; see $log"; }
        sleep 0.1
    done
}

stop_engine() {
    case $STARTED_DOCKERD in
        '') ;;
        systemd)
            say "systemctl stop docker"
            systemctl stop docker.service docker.socket
            ;;
        *)
            say "stopping dockerd"
            kill "$STARTED_DOCKERD" 2>/dev/null || true
            wait "$STARTED_DOCKERD" 2>/dev/null || true
            ;;
    esac
    STARTED_DOCKERD=
}
