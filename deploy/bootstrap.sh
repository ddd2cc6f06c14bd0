#!/usr/bin/env bash
# Bootstrap action of every node of a country's cluster: unpacks the published Python environment and links it to the node's Python 3.11.
#
#   bootstrap.sh ARCHIVE SHA256 [FOLDER [PROGRAM SHA256 ARGUMENT...]]
#
# ARCHIVE is an s3:// address or a path, SHA256 what it has to hash to, FOLDER where it goes (/opt/storeavail/env). PROGRAM is kept beside FOLDER
# and run once by its Python, as root (on the cluster for notebooks, which it has set up: zeppelin/prepare.py).
# A failure ends the node's start, which EMR reports with this script's output below the cluster's log folder (node/*/bootstrap-actions).
set -euo pipefail

if [ $# -lt 2 ]; then
    echo "usage: $0 ARCHIVE SHA256 [FOLDER [PROGRAM SHA256 ARGUMENT...]]" >&2
    exit 2
fi
archive=$1
sha256=$2
folder=${3:-/opt/storeavail/env}

# EMR runs this as hadoop, who may become root; a test runs it as whoever it is, in a folder of its own
as_root=""
if ! mkdir -p "$folder" 2>/dev/null || [ ! -w "$folder" ]; then as_root="sudo"; fi

python=$(command -v python3.11 || true)
if [ -z "$python" ]; then
    echo "installing Python 3.11, which this release does not bring" >&2
    $as_root dnf install --assumeyes --quiet python3.11
    python=$(command -v python3.11)
fi
# the interpreter itself, not a wrapper that finds it (pyenv and its like)
python=$("$python" -c 'import os, sys; print(os.path.realpath(sys.executable))')

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fetch() { # ADDRESS SHA256 FILE
    case $1 in
        s3://*) aws s3 cp --only-show-errors "$1" "$3" ;;
        *) cp "$1" "$3" ;;
    esac
    if ! echo "$2  $3" | sha256sum --check --status; then
        echo "error: $1 is not what was published: its SHA-256 is $(sha256sum <"$3"), expected $2" >&2
        exit 1
    fi
}
fetch "$archive" "$sha256" "$work/environment.tar.gz"

# unpacked beside the place and moved there whole: a second run, or one after a failure, leaves nothing half done
$as_root rm -rf "$folder.new"
$as_root mkdir -p "$folder.new"
$as_root tar --extract --gzip --no-same-owner --file "$work/environment.tar.gz" --directory "$folder.new"
$as_root ln -sfn "$python" "$folder.new/bin/python"
$as_root ln -sfn python "$folder.new/bin/python3.11"
$as_root sed -i "s|^home = .*|home = $(dirname "$python")|" "$folder.new/pyvenv.cfg"
$as_root rm -rf "$folder"
$as_root mv "$folder.new" "$folder"

# fails here, with a reason, and not in the first window
"$folder/bin/python" -c 'import dagster, duckdb, pandas, pyarrow, pyiceberg, psycopg2, elasticsearch'
echo "$("$folder/bin/python" --version) with the published packages is at $folder"

if [ $# -gt 4 ]; then
    program=$(dirname "$folder")/$(basename "$4")
    fetch "$4" "$5" "$work/program"
    $as_root cp "$work/program" "$program"
    $as_root "$folder/bin/python" "$program" "${@:6}"
    echo "$(basename "$program") has done $6"
fi
