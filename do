#!/bin/sh
# Sets everything up and runs it: ./do demo | ./do test | ./do <any homeostat command>. Needs Python 3.11+ and a shell.
set -eu
case "$0" in */*) here=${0%/*} ;; *) here=. ;; esac
here=$(CDPATH= cd -- "$here" && pwd)
caller=$(pwd)

python=""
for name in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python; do
  if command -v "$name" >/dev/null 2>&1 && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
    python=$(command -v "$name")
    break
  fi
done
if [ -z "$python" ]; then
  if command -v python3 >/dev/null 2>&1; then found=$(python3 --version 2>&1); else found="no python3"; fi
  echo "./do needs Python 3.11 or newer and found $found; install it, or name it: PYTHON=/path/to/python3 ./do ${1:-demo}" >&2
  exit 2
fi

cd "$here"
export UV_PYTHON_DOWNLOADS=never
if command -v uv >/dev/null 2>&1; then
  uv=uv
else
  if [ ! -x .uv/bin/uv ]; then
    echo "setting up: uv in .uv/" >&2
    "$python" -m venv .uv && .uv/bin/pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'
  fi
  uv=.uv/bin/uv
fi
started=$(date +%s)
groups=--no-dev # who tries it out does without what only tests need
if [ "${1:-help}" = test ]; then groups=""; fi
"$uv" sync --quiet --locked --inexact $groups --compile-bytecode --python "$python" >&2
ended=$(date +%s)
echo "installed from the lock in $((ended - started)) s" >&2
unset PYTHONDONTWRITEBYTECODE

case "${1:-help}" in
  test)
    shift
    exec sh ./tests/run.sh "$@"
    ;;
  help) exec .venv/bin/homeostat --help ;;
  *)
    cd "$caller"
    export HOMEOSTAT_COMMAND="$0" # what the printed next steps begin with
    exec "$here/.venv/bin/homeostat" "$@"
    ;;
esac
