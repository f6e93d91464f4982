# Sourced by the makers. `environment NAME PACKAGE...` installs the packages, once, into a virtual environment below VENVS, and sets `python`.
environment() {
  local venv="${VENVS:-${HOME}/.cache/coincide/tools}/$1"
  shift
  if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
    # A half-made environment would pass for a whole one.
    "$venv/bin/pip" install --quiet "$@" || { rm -rf "$venv"; exit 1; }
  fi
  python="$venv/bin/python"
}
