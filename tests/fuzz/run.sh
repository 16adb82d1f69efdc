#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run.sh [SECONDS] [NAME...] - build the fuzz targets and run each one for SECONDS (default 30) over its kept corpus.
#
# NAME: http1 for fuzz_http1.c, whose seeds are in corpus/http1/ and whose words, if any, in http1.dict; default: all.
# Inputs that reach new code go to a scratch folder, the kept corpus is only read. Exit status 1 when an input
# broke a target: it is then in the folder that is named at the end, and belongs into the corpus once repaired.
# Environment: CC (clang-16), BUILD (build folder, default: a scratch one, removed at the end).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
seconds=${1:-30}
[ $# -eq 0 ] || shift
case $seconds in
'' | *[!0-9]*)
	echo "usage: run.sh [SECONDS] [NAME...]" >&2
	exit 2
	;;
esac

scratch=$(mktemp -d)
found=$(mktemp -d)
trap 'rm -rf "$scratch"; rmdir "$found" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM
build=${BUILD:-$scratch/build}

if [ $# -eq 0 ]; then
	for source in "$here"/fuzz_*.c; do
		name=$(basename "$source" .c)
		set -- "$@" "${name#fuzz_}"
	done
fi

# A build that worked is quiet.
quietly() {
	"$@" >"$scratch/log" 2>&1 || {
		cat "$scratch/log" >&2
		exit 1
	}
}

[ -f "$build/build.ninja" ] ||
	quietly env CC="${CC:-clang-16}" meson setup "$build" "$root" -Dfuzz=true
for name; do
	quietly ninja -C "$build" "tests/fuzz/fuzz_$name"
done

# $1: name; further arguments go to libFuzzer
fuzz() {
	name=$1
	shift
	[ ! -f "$here/$name.dict" ] || set -- -dict="$here/$name.dict" "$@"
	timeout -k 5 $((seconds + 60)) "$build/tests/fuzz/fuzz_$name" \
		-timeout=5 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=1 \
		-artifact_prefix="$found/$name-" "$@" >"$scratch/log" 2>&1
}

failed=
for name; do
	if [ "$name" = datapath ] && [ "$(id -u)" -ne 0 ]; then
		echo "fuzz $name: left out, it needs root"
		continue
	fi
	seeds=$here/corpus/$name
	if [ -z "$(ls -A "$seeds" 2>/dev/null)" ]; then
		echo "fuzz $name: no seeds in $seeds" >&2
		failed="$failed $name"
		continue
	fi
	mkdir -p "$scratch/new/$name"
	if fuzz "$name" -runs=0 "$seeds" &&
		fuzz "$name" -max_total_time="$seconds" "$scratch/new/$name" "$seeds"; then
		runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$scratch/log")
		echo "fuzz $name: ok, $runs runs in $seconds s"
	else
		tail -n 40 "$scratch/log" >&2
		echo "fuzz $name: FAILED, see above and $found" >&2
		failed="$failed $name"
	fi
done
[ -z "$failed" ]
