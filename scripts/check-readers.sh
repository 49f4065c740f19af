#!/usr/bin/env bash
# Check that DuckDB, pandas and Polars read a report alike; installs them into a virtual environment at first.
#
#   scripts/check-readers.sh report/
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if (($# != 1)) || [[ $1 == -* ]]; then
  sed -n '2,4s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
fi
python=$("$here/python-env.sh")
exec "$python" "$here/check-readers.py" "$1"
