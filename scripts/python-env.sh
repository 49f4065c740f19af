#!/usr/bin/env bash
# Print the path of a Python that has duckdb, pandas, pyarrow and polars; make its virtual environment if needed.
#
#   python=$(scripts/python-env.sh)
#
# The environment is kept in ${XDG_CACHE_HOME:-$HOME/.cache}/bouncesift/venv and used again. Remove that directory to
# have it made anew. BOUNCESIFT_VENV=DIR names another one.
set -euo pipefail

PACKAGES=('duckdb>=1.1' 'pandas>=2.2' 'pyarrow>=17' 'polars>=1.10')

venv=${BOUNCESIFT_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/bouncesift/venv}

complete() {
  [[ -x $venv/bin/python ]] && "$venv/bin/python" -c 'import duckdb, pandas, pyarrow, polars' 2>/dev/null
}

fail() {
  printf 'python-env: %s\n' "$*" >&2
  exit 1
}

if ! complete; then
  mkdir -p "$(dirname "$venv")"
  python3 -m venv "$venv" >&2 || fail "cannot make $venv. On Debian: apt-get install python3-venv"
  "$venv/bin/python" -m pip install --quiet --upgrade "${PACKAGES[@]}" >&2 ||
    fail "cannot install ${PACKAGES[*]} into $venv: see pip's words above"
  complete || fail "$venv lacks one of duckdb, pandas, pyarrow, polars although pip succeeded. Remove it and try again"
fi
printf '%s\n' "$venv/bin/python"
