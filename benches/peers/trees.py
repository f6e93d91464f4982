"""Fault trees beside SCRAM in one run: CPU seconds until P(top) is known, and until the minimal cut sets are counted as well.

    apt-get install scram
    cargo build --release -p coincide-structure --example aralia
    python benches/peers/trees.py FOLDER [TREE ...]

SCRAM writes every cut set into its report, gigabytes for some trees: for P(top) it is asked for sets of one event only, and the time of the cut sets is what its log says until they are counted.
Each takes its turn, three times; the least counts.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ARALIA = os.environ.get("ARALIA", os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "release/examples/aralia"))
FOLDER = Path(sys.argv[1])
TREES = sys.argv[2:] or ["edf9203", "edf9204", "edfpa14r", "jbd9601", "cea9601"]


def scram(tree: Path) -> tuple[float, str]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    report = subprocess.run(["scram", "--bdd", "--probability", "1", "-l", "1", "-o", "/dev/stdout", tree], capture_output=True, text=True, check=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = re.search(r'<sum-of-products[^>]* probability="([^"]*)"', report)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, found[1] if found else "none"


def scram_sets(tree: Path, limit: float = 60.0) -> float | None:
    """Seconds of the algorithm with all cut sets; it is stopped when it begins to report them. None after the limit."""
    with subprocess.Popen(
        ["timeout", str(limit), "scram", "--bdd", "--probability", "1", "--verbosity", "5", "-o", "/dev/null", tree], stderr=subprocess.PIPE, text=True
    ) as p:
        assert p.stderr is not None
        for line in p.stderr:
            if found := re.search(r"The algorithm finished in (\S+)", line):
                p.kill()
                return float(found[1])
    return None


def ours(tree: Path) -> tuple[float, str, float]:
    """Wall seconds of one thread, reading included; P(top); seconds of the cut sets."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(tree, folder)
        last = subprocess.run([ARALIA, folder], capture_output=True, text=True, check=True).stdout.splitlines()[-1].split(",")
    return float(last[7]), last[1], float(last[9])


for name in TREES:
    tree = FOLDER / f"{name}.xml"
    turns = [(scram(tree), ours(tree)) for _ in range(3)]
    (theirs, p), (seconds, own, sets) = min(t[0] for t in turns), min(t[1] for t in turns)
    with_sets = scram_sets(tree)
    all_sets = f"{with_sets:.2f} s, {with_sets / (seconds + sets):.1f} times as long" if with_sets else "not within a minute"
    print(f"{name}: P {p} and {own}; SCRAM {theirs:.3f} s, coincide {seconds:.3f} s: {theirs / seconds:.1f} times as long; with cut sets SCRAM {all_sets}, coincide {seconds + sets:.2f} s", flush=True)
