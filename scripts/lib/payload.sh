# shellcheck shell=bash
# Builds a release: the folder that scripts/install puts below /opt/edged/releases and that scripts/package packs.
# Sourced after setup.sh.
#
# A release has the layout of a virtual environment and knows the place where it will be, so it can be built anywhere
# and is renamed into place when it is whole. Its name holds a digest of all that it is made from.

PREFIX=/opt/edged

# The Python that the daemon will run with. Not simply the first one on PATH: the user edged cannot read a home folder.
system_python() {
    local folder name real
    for folder in "$@"; do
        for name in python3 python3.11 python3.12 python3.13 python3.14; do
            real=$(realpath -qe "$folder/$name") || continue
            case $real in /root/* | /home/*) continue ;; esac
            if "$real" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
                echo "$real"
                return
            fi
        done
    done
    die "Python 3.11 or newer is needed, in one of: $*. On Debian 12 or later: apt-get install python3"
}

python_minor() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

edged_version() { sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml; }

# The files a release is made from, separated by NUL.
sources() {
    find edged models config packaging systemd docs/*.md README.md CHANGELOG.md pyproject.toml "$LOCK" \
        scripts/lib/payload.sh scripts/pki scripts/weekly-health-check -name __pycache__ -prune -o -type f -print0 | sort -z
}

# release_name PYTHON: VERSION-DIGEST
release_name() {
    local digest
    digest=$({ echo "$1 $(uname -m)"; sources | xargs -0 sha256sum; } | sha256sum)
    echo "$(edged_version)-${digest:0:12}"
}

# The time that all files of a release get, in seconds since 1970: a build of the same sources gives the same bytes.
source_time() {
    if [ -n "${SOURCE_DATE_EPOCH:-}" ]; then
        echo "$SOURCE_DATE_EPOCH"
    else
        git log -1 --format=%ct 2>/dev/null || sources | xargs -0 stat -c %Y | sort -n | tail -n 1
    fi
}

# build_release PYTHON NAME FOLDER
build_release() {
    local python=$1 name=$2 release=$3 home=$PREFIX/releases/$2 minor site
    minor=$(python_minor "$python")
    site=$release/lib/python$minor/site-packages
    say "building edged $name for Python $minor"
    mkdir -p "$release/bin" "$site"

    VENV=$release/.build
    PYTHON=$VENV/bin/python
    make_venv "$python"
    install --no-compile --target "$site" -c "$LOCK" "$ROOT"
    rm -rf "$VENV"
    # What tells of the build, and what is of no use at run time: numpy's tests, onnxruntime's model converters.
    rm -rf "${site:?}"/{bin,.lock,onnxruntime/transformers}
    rm -f "$site"/*.dist-info/{INSTALLER,RECORD,REQUESTED,direct_url.json,uv_*.json}
    find "$site" -type d -name tests -prune -exec rm -rf {} +

    ln -s "$python" "$release/bin/python"
    printf 'home = %s\ninclude-system-site-packages = false\n' "$(dirname "$python")" >"$release/pyvenv.cfg"
    # -I: what PYTHON* variables or the current folder say is not for this program.
    printf '#!%s/bin/python -I\nfrom edged.__main__ import main\n\nmain()\n' "$home" >"$release/bin/edged"
    chmod 755 "$release/bin/edged"
    add_files "$release"

    chmod -R u=rwX,go=rX "$release"
    find "$release" -exec touch -h -d "@$(source_time)" {} +
    # The daemon cannot write beside its code: without this it would compile all of it at every start.
    "$python" -m compileall -q -s "$release" -p "$home" "$site"
    find "$release" -type d -exec touch -d "@$(source_time)" {} +
}

add_files() {
    local share=$1/share/edged doc=$1/share/doc/edged
    mkdir -p "$share" "$doc/docs"
    cp packaging/switch packaging/uninstall systemd/edged.service scripts/weekly-health-check "$share"
    cp docs/*.md "$doc/docs"
    cp -r README.md CHANGELOG.md config/edged.yaml config/trust.yaml config/mosquitto config/prometheus config/grafana "$doc"
}
