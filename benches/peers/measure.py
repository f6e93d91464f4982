"""What the benchmarks share: where data lies, and running a program while measuring it.

Only the standard library is used here, and the process that measures stays small: Linux counts the memory of the process
that starts a program towards that program's peak. Whatever needs NumPy, DuckDB or PyArrow runs in a process of its own.
"""

import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple


class Run(NamedTuple):
    """One run of a program."""

    wall: float  # seconds
    cpu: float  # seconds, all threads
    peak: float  # bytes of resident memory, at most
    out: str  # what it printed


def run(*command):
    """Runs a program to its end and measures it. Stops the benchmark if it fails."""
    begin = time.perf_counter()
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, text=True)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]} failed with {process.returncode}: {' '.join(map(str, command))}")
    unit = 1 if platform.system() == "Darwin" else 1024
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit, out)


def coincide():
    """The program to measure."""
    path = shutil.which(os.environ.get("COINCIDE", "coincide"))
    return path or sys.exit("set COINCIDE to the path of the program")


def cache(need):
    """The folder for data, after checking that `need` bytes are free there."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "coincide" / "peers"
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < need:
        sys.exit(f"the data need {need / 1e9:.1f} GB, and only {free / 1e9:.1f} GB are free in {folder}")
    return folder


def machine():
    """One line on where this ran. A high load means that something else was running, and that times are worth little."""
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, load before {os.getloadavg()[0]:.1f}")


def table(rows):
    """Prints medians: [(name, [runs])]."""
    print(f"{'':34}{'wall, median':>14}{'all runs':>28}{'CPU':>10}{'peak memory':>14}")
    for name, runs in rows:
        walls = [r.wall for r in runs]
        print(
            f"{name:34}{statistics.median(walls):12.2f} s{', '.join(f'{w:.2f}' for w in walls):>28}"
            f"{statistics.median(r.cpu for r in runs):8.2f} s{max(r.peak for r in runs) / 1e6:11.0f} MB"
        )


def ratio(name, slower, faster):
    """Prints the ratio of two lists of seconds, pair by pair, and its median."""
    each = [s / f for s, f in zip(slower, faster)]
    print(f"{name}: {', '.join(f'{r:.2f}' for r in each)}; median {statistics.median(each):.2f}")
