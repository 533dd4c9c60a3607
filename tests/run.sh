#!/bin/sh
# Lint, types, floors, spelling, then every test: what `./do test` and continuous integration run.
set -eu
export OMP_NUM_THREADS=1 # two test workers on two cores: libraries must not start more threads than that
.venv/bin/ruff check src tests examples benchmarks
.venv/bin/ruff format --check src tests examples benchmarks
.venv/bin/mypy
.venv/bin/lint-imports
.venv/bin/codespell README.md ARCHITECTURE.md CONTRIBUTING.md CHANGELOG.md docs src tests
exec .venv/bin/pytest -n "${HOMEOSTAT_TEST_WORKERS:-2}" --dist worksteal -q "$@"
