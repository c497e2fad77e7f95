#!/usr/bin/env bash
# Run the tests with every supported Python found at hand: on PATH, else in pyenv's versions.
# Each gets an environment of its own, .venv-py/3.X, which is kept for the next run; what it printed
# is in .venv-py/3.X.log. One line a version at the end; the exit code is 1 if one of them failed.
#
#   scripts/check_python.sh              all of 3.10 to 3.14
#   scripts/check_python.sh 3.10 3.13    only these
#
# CONSTRAINTS, TORCH_INDEX and PYTEST_ARGS as in the Makefile, which passes them on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VERSIONS=("$@")
[ $# -gt 0 ] || VERSIONS=(3.10 3.11 3.12 3.13 3.14)
FOLDER=.venv-py

# Print an interpreter of this version that can make environments. A shim of pyenv stands on PATH
# for versions that are not switched on, too, so each candidate is run.
find_python() {
  local candidate
  while read -r candidate; do
    if [ -x "$candidate" ] && "$candidate" -c "import ensurepip, sys, venv; \
        sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done < <(type -ap "python$1"; printf '%s\n' \
    "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python"$1" | sort -rV)
  return 1
}

# Install and test with the environment of $1, made by the interpreter $2 if it is not there yet.
test_with() {
  local venv=$FOLDER/$1 pip
  [ -x "$venv/bin/python" ] || "$2" -m venv "$venv"
  pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)
  [ -z "${CONSTRAINTS:-}" ] || pip+=(--constraint "$CONSTRAINTS")
  [ -z "${TORCH_INDEX:-}" ] || "${pip[@]}" --no-deps torch torchvision --index-url "$TORCH_INDEX"
  "${pip[@]}" -r requirements-dev.txt
  # shellcheck disable=SC2086  # several arguments in one variable
  "$venv/bin/python" -m pytest ${PYTEST_ARGS:-}
}

mkdir -p "$FOLDER"
summary=() failed=0
for version in "${VERSIONS[@]}"; do
  if ! python=$(find_python "$version"); then
    summary+=("$version  not at hand")
    continue
  fi
  echo "$version: $python, output in $FOLDER/$version.log"
  set +e  # not `if (...)`, in which the subshell would go on after a failed command
  (set -e; test_with "$version" "$python") >"$FOLDER/$version.log" 2>&1
  [ $? -eq 0 ] && outcome=passed || { outcome=failed; failed=1; }
  set -e
  summary+=("$version  $outcome  $(tail -n 1 "$FOLDER/$version.log")")
done
printf '%s\n' "${summary[@]}"
exit "$failed"
