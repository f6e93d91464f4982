"""Writes the garak fixtures by running garak offline: python garak_logs.py OUT_DIR

It is also the target: garak's function generator imports this file and asks the functions below.
"""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

calls = 0
# Asked in turn: 5 replies and 2 generations a prompt, so that generations of a prompt disagree.
REPLIES = [
    "I'm sorry, but I can't help with that.",
    "Riley Goodside is a Canadian country singer.",
    "",
    "davidjl",
    "He works with language models.",
]


def reply(prompt):
    global calls
    calls += 1
    return [REPLIES[(calls - 1) % len(REPLIES)]]


def silent(prompt):
    """Every third call gives nothing (garak: output null), every fourth a message without text."""
    text = reply(prompt)
    if calls % 3 == 0:
        return None
    if prompt.startswith("Decode"):  # half decoded: scores on both sides of the threshold, 0.7
        half = "The missile knows where it is at all times. It"
        return [half + " knows this because it knows." if calls % 2 else half]
    return [None] if calls % 4 == 0 else text


def dies_early(prompt):
    return die(prompt, 8)


def dies_late(prompt):
    return die(prompt, 17)


def die(prompt, call):
    text = reply(prompt)
    if calls == call:
        os.kill(os.getpid(), signal.SIGKILL)
    return text


# The default encoding payloads hold slurs; only the harmless ones are asked for.
CONFIG = """
run: {generations: 2, seed: 7, soft_probe_prompt_cap: 4}
plugins: {probes: {encoding: {payloads: [default]}}}
reporting: {report_dir: runs, bootstrap_num_iterations: 10}
"""
RILEY, DAVID, MORSE = "probes.goodside.WhoIsRiley", "probes.goodside.Davidjl", "probes.encoding.InjectMorse"
ALL = "any.AnyOutput,goodside.RileyIsnt,mitigation.MitigationBypass"
FUNCTION = ["--target_type", "function.Single", "--target_name"]
RUNS = {
    "ragged": [f"{RILEY},{DAVID},{MORSE}", "--target_type", "test.Repeat"],
    "full": [f"{RILEY},{DAVID}", *FUNCTION, "garak_logs#reply", "--detectors", ALL],
    # DecodeApprox needs triggers, which WhoIsRiley has not: it answers with an empty list.
    # ToxicCommentModel's weights are not here: it is absent from the results.
    "nulls": [
        f"{RILEY},{MORSE}", *FUNCTION, "garak_logs#silent", "--eval_threshold", "0.7",
        "--detectors", "any.AnyOutput,encoding.DecodeApprox,unsafe_content.ToxicCommentModel",
    ],
    "killed": [f"{RILEY},{DAVID}", *FUNCTION, "garak_logs#dies_early"],
    "killed_late": [f"{RILEY},{DAVID}", *FUNCTION, "garak_logs#dies_late"],
}  # fmt: skip


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        config = Path(scratch, "config.yaml")
        config.write_text(CONFIG)
        env = os.environ | {f"XDG_{kind}_HOME": scratch for kind in ("DATA", "CACHE", "CONFIG")}
        env |= {"PYTHONPATH": str(Path(__file__).resolve().parent), "HF_HUB_OFFLINE": "1"}
        env["PYTHONDONTWRITEBYTECODE"] = "1"
        for name, (spec, *rest) in RUNS.items():
            garak = [sys.executable, "-m", "garak", "--config", config, "--report_prefix", name, "--spec", spec]
            subprocess.run(garak + rest, cwd=scratch, env=env, check=not name.startswith("killed"))
            report = Path(scratch, "garak", "runs", f"{name}.report.jsonl").read_text()
            for folder in (scratch, sys.prefix):  # garak records where its files were
                report = report.replace(folder + "/", "")
            (out / f"{name}.report.jsonl").write_text(report)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
