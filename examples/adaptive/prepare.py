"""Write env/attacks.jsonl: the prompts that the searches start from.

    ../guards/env/venv/bin/python prepare.py

Sixty goals of examples/guards, drawn with a fixed seed from those with a prompt of at most 400 characters that at least
five of the nine guards stop as it is. A search that begins where little stands in its way says nothing.
"""

import json
import random
from pathlib import Path

import pyarrow.parquet

SEED = 20261127
GOALS, CHARS, HELD_BY = 60, 400, 5
HERE = Path(__file__).resolve().parent
GUARDS = HERE.parent / "guards"


def main():
    layers = ["ai_injection_guard", "clawguard", "vard", "nukon", "toolwall", "profanity", "llm_guardrail", "minilm", "nanoguard"]
    outcomes = pyarrow.parquet.read_table(GUARDS / "outcomes.parquet", columns=["trial", *layers]).to_pylist()
    held_by = {row["trial"]: sum(row[layer] == "0" for layer in layers) for row in outcomes}
    goals = {}
    with open(GUARDS / "env" / "attacks.jsonl", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if len(row["prompt"]) <= CHARS and held_by.get(row["id"], 0) >= HELD_BY:
                goals.setdefault(row["goal"], row)
    chosen = random.Random(SEED).sample(sorted(goals), GOALS)
    (HERE / "env").mkdir(exist_ok=True)
    with open(HERE / "env" / "attacks.jsonl", "w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(goals[goal]) + "\n" for goal in sorted(chosen))
    print(f"{len(goals)} goals fit, {len(chosen)} drawn")


if __name__ == "__main__":
    main()
