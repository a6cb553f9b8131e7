# What bin/run, bin/test, bin/bench and .ci/run stand on: a Python environment and a database server.
# Sourced with the working directory at the root of the clone; plain POSIX sh.
# shellcheck shell=sh

OLDEST_PYTHON='(3, 11)'

say() { printf '%s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# Make .venv, and with "ground server" see that a database server can be started; "ground shop" is content
# when DATABASE_URL names one that runs elsewhere, "ground python" needs none. With a second word, "browser", see
# that there is a Chromium, too: where none can be installed say so and go on, for most tests need none.
ground() {
    mkdir -p instance
    one_at_a_time
    python=$(find_python) || python=
    packages=
    [ -n "$python" ] || fail "Duka needs Python 3.11 or newer: install it and try again."
    if ! venv_is_good && ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        packages="python3-venv"
    fi
    case $1 in
        server) has_server || packages="$packages server" ;;
        shop) database_is_elsewhere || has_server || packages="$packages server" ;;
    esac
    [ -z "$packages" ] || install_packages "$packages"
    [ "${2:-}" != browser ] || has_browser || install_browser
    make_venv
}

# Two of our commands in a fresh clone would trip over each other (where flock exists; macOS has none).
# The lock's file is closed again by "leave_ground", or by the end of this shell.
one_at_a_time() {
    command -v flock >/dev/null || return 0
    exec 9>instance/ground.lock
    flock -n 9 || { say "Waiting for another bin/run or bin/test to finish its setup …"; flock 9; }
}

# Run the rest in place of this shell.
leave_ground() {
    exec "$@" 9>&-
}

find_python() {
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c "import sys; sys.exit(sys.version_info < $OLDEST_PYTHON)" 2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

# --- the database server

database_is_elsewhere() {
    [ -n "${DATABASE_URL:-}" ] || grep -Eqs '^[[:space:]]*(export[[:space:]]+)?DATABASE_URL[[:space:]]*=[[:space:]]*[^[:space:]#]' .env
}

has_server() { program_exists any; }

# The same search as the one that will start it; "mysql" is not content with MariaDB's alias.
program_exists() {
    "$python" - "$1" <<'PYTHON'
import sys
from utils import server_program
try:
    server_program.find_program(sys.argv[1])
except server_program.ProgramMissing:
    sys.exit(1)
PYTHON
}

# --- the browser of the tests

has_browser() { "$python" tests/browser/chromium.py; }

install_browser() {
    if command -v apt-get >/dev/null && become_root; then
        say "Installing the system package chromium (a minute, once) …"
        (apt_install chromium) || true
    fi
    has_browser || say "There is no Chromium here, so the tests in tests/browser will fail: install it (on Debian: chromium)."
}

# --- packages of the system: "python3-venv" and "server" are what may be asked for

install_packages() {
    wanted=$1
    if [ "$(uname)" = Darwin ] && command -v brew >/dev/null; then
        case $wanted in *server*) ;; *) fail "$python has no venv: install python with Homebrew (brew install python)." ;; esac
        say "Installing MariaDB with Homebrew (a minute or two, once) …"
        quietly brew install mariadb
    elif command -v apt-get >/dev/null && become_root; then
        names=
        case $wanted in *python3-venv*) names="$(venv_package)" ;; esac
        case $wanted in *server*) names="$names mariadb-server-core mariadb-client-core" ;; esac
        say "Installing system packages: ${names# } (half a minute, once) …"
        # shellcheck disable=SC2086  # a list of names
        apt_install $names
    else
        fail "Please install $(in_words "$wanted")$(or_elsewhere "$wanted"), then try again."
    fi
}

venv_package() {
    case $python in
        */python3) echo python3-venv ;;
        *) echo "$(basename "$python")-venv" ;;
    esac
}

apt_install() {
    set -- env DEBIAN_FRONTEND=noninteractive apt-get -qy -o DPkg::Lock::Timeout=120 \
        --no-install-recommends install "$@"
    $as_root "$@" >>instance/setup.log 2>&1 && return 0
    # Most likely because the package lists are missing or old.
    $as_root apt-get -q update >>instance/setup.log 2>&1 || true
    # shellcheck disable=SC2086  # nothing, or sudo and its option
    quietly $as_root "$@"
}

become_root() {
    as_root=
    [ "$(id -u)" = 0 ] && return 0
    as_root='sudo -n'
    command -v sudo >/dev/null && sudo -n true 2>/dev/null
}

in_words() {
    case $1 in
        *python3-venv*server*) echo "Python's venv (on Debian and Ubuntu: python3-venv) and MariaDB or MySQL (mariadb-server-core, mariadb-client-core)" ;;
        *server*) echo "MariaDB or MySQL (on Debian and Ubuntu: mariadb-server-core mariadb-client-core)" ;;
        *) echo "Python's venv (on Debian and Ubuntu: $(venv_package))" ;;
    esac
}

or_elsewhere() {
    case $1 in *server*) echo ", or set DATABASE_URL to a database that runs elsewhere" ;; esac
}

# Run a command with its output in instance/setup.log; show the end of it when it fails.
quietly() {
    "$@" >>instance/setup.log 2>&1 && return 0
    tail -n 15 instance/setup.log >&2
    fail "This failed: $* (all of it in instance/setup.log)"
}

# --- the Python environment

# What .venv was made from: the same again means that nothing is to be done. The path is part of it, because
# an environment that was moved or copied with its folder still points to the old place.
venv_recipe() {
    printf '%s\n' "$PWD"
    "$1" -c 'import sys; print(sys.version)'
    cksum <requirements.txt
}

venv_is_good() {
    [ -x .venv/bin/python ] && [ -f .venv/made-from ] &&
        recipe=$(venv_recipe .venv/bin/python 2>/dev/null) && [ "$recipe" = "$(cat .venv/made-from)" ]
}

make_venv() {
    venv_is_good && return 0
    # Only the packages have changed: keep the environment. Everything else is quicker made anew.
    if ! { [ -f .venv/made-from ] && .venv/bin/python -m pip --version >/dev/null 2>&1 &&
        [ "$(head -n 2 .venv/made-from)" = "$(venv_recipe .venv/bin/python | head -n 2)" ]; }; then
        say "Making the Python environment .venv …"
        rm -rf .venv
        quietly "$python" -m venv .venv
    fi
    say "Installing the Python packages of requirements.txt …"
    quietly .venv/bin/python -m pip install --disable-pip-version-check --no-input -q -r requirements.txt
    # Written last and at once: a setup that was killed is done again.
    venv_recipe .venv/bin/python >.venv/made-from.part
    mv .venv/made-from.part .venv/made-from
}
