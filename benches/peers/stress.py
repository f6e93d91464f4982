"""Calls per second of whole tools on the same kind of work: prompts put to a model that answers at once, each answer graded and logged.

garak and Inspect use their own mock models, inside their process; so does coincide in the comparison, with its journal on. Beside it: coincide calling HTTP
endpoints on loopback, in a process of their own.
What is timed is the difference between a large and a small run, so that starting up (10 s for garak) does not count.
"""

import os
import subprocess
import sys
import tempfile
import time

THROUGHPUT = os.environ["THROUGHPUT"]


def inspect(samples):
    from inspect_ai import Task, eval
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ModelOutput, ModelUsage, get_model
    from inspect_ai.scorer import includes
    from inspect_ai.solver import generate

    task = Task(dataset=[Sample(input=f"prompt number {i}", target="Default") for i in range(samples)], solver=generate(), scorer=includes())

    def answer():
        out = ModelOutput.from_content("mockllm/model", "Default")
        # Without a usage the mock counts tokens, with tables that it would have to fetch.
        out.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return out

    model = get_model("mockllm/model", custom_outputs=[answer() for _ in range(samples)], memoize=False)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        log = eval(task, model=model, log_dir=folder, display="none", max_connections=64, max_samples=64)[0]
        seconds = time.perf_counter() - start
    assert log.status == "success" and log.results.completed_samples == samples, log.status
    return seconds


def garak(generations):
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ, XDG_DATA_HOME=folder, XDG_CONFIG_HOME=folder, XDG_CACHE_HOME=folder)
        command = [sys.executable, "-m", "garak", "--target_type", "test.Repeat", "--probes", "dan.DanInTheWildFull", "--detectors", "always.Pass"]
        command += ["--generations", str(generations), "--report_prefix", os.path.join(folder, "r")]
        start = time.perf_counter()
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        seconds = time.perf_counter() - start
        assert done.returncode == 0, done.stderr[-2000:]
        prompts = sum(1 for line in open(os.path.join(folder, "r.report.jsonl")) if '"status": 2' in line)
    return seconds, prompts * generations


def coincide(attacks, layers):
    out = subprocess.run([THROUGHPUT, str(attacks), str(layers)], capture_output=True, text=True, check=True).stdout
    words = out.split()
    return int(words[0]), float(words[3]), out.strip()


def main():
    for attacks, layers in [(100_000, 1), (100_000, 2), (50_000, 4)]:
        calls, seconds, text = coincide(attacks, layers)
        print(f"coincide over HTTP, {layers} layers: {text}", flush=True)
    runs = []
    for _ in range(3):
        calls, seconds, text = coincide(200_000, "inside")
        print(f"coincide, mock inside: {text}", flush=True)
        runs.append(calls / seconds)
    ours = sorted(runs)[1]
    inspect(50)
    small, large = inspect(500), inspect(2500)
    rate = 2000 / (large - small)
    print(f"Inspect: {rate:.0f} calls a second; coincide {ours / rate:.0f} times as many", flush=True)
    (t1, n1), (t2, n2) = garak(1), garak(6)
    rate = (n2 - n1) / (t2 - t1)
    print(f"garak: {rate:.0f} calls a second ({n1} and {n2} calls); coincide {ours / rate:.0f} times as many")


if __name__ == "__main__":
    main()
