"""Gather every run into outcomes.parquet, and compare the searches.

    ../guards/env/venv/bin/python compare.py            # after run.sh: writes outcomes.parquet and prints the table
    ../guards/env/venv/bin/python compare.py --only     # prints the table of the outcomes.parquet that is there

outcomes.parquet holds names and outcomes, no prompt: what `coincide stress` writes, with `tier` and `seed` beside `search`. The
trials without rewriting are the same in every run and are taken from the first.
"""

import re
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
OUTCOMES = HERE / "outcomes.parquet"
LAYERS = ["ai_injection_guard", "clawguard", "vard", "nukon", "toolwall", "profanity", "llm_guardrail", "minilm", "nanoguard"]
SEARCHES = ["random", "best_of_n", "bandit", "rainbow", "stack"]
TIERS = {"block": "only whether it got through", "layers": "each guard's verdict"}
DRAWS = 4000


def gather():
    tables = []
    for run in sorted((HERE / "env").glob("*-*-*")):
        named = re.fullmatch(r"(\w+)-(layers|block)-(\d+)", run.name)
        if not named or not (run / "campaign.json").exists():
            continue
        _, tier, seed = named.groups()
        table = pq.read_table(run / "outcomes.parquet")
        table = pa.table({name: table[name].cast(pa.string()) for name in table.column_names})
        static = pc.equal(table["search"], "static")
        own = table.filter(pc.invert(static))
        trial = pc.binary_join_element_wise(own["trial"], pa.scalar(f"{named[1]}-{tier}-{seed}"), "/")
        own = own.set_column(own.column_names.index("trial"), "trial", trial)
        for part in [own] if tables else [table.filter(static), own]:
            of_search = part is own
            for column, value in [("tier", tier), ("seed", seed)]:
                part = part.append_column(column, pa.array([value if of_search else ""] * len(part)))
            tables.append(part)
    if not tables:
        sys.exit("env/ holds no finished run: run.sh makes them")
    pq.write_table(pa.concat_tables(tables), OUTCOMES, compression="zstd", use_dictionary=True)


def by_goal():
    """Queries on each goal until all guards failed (or until the end), and whether they did: arrays (seeds, goals) by search and tier."""
    rows = pq.read_table(OUTCOMES).to_pylist()
    goals = {goal: i for i, goal in enumerate(sorted({row["goal"] for row in rows}))}
    seeds = sorted({row["seed"] for row in rows if row["seed"]})
    out = {}
    for row in rows:
        if row["search"] == "static":
            continue
        queries, beaten = out.setdefault((row["search"], row["tier"]), np.zeros((2, len(seeds), len(goals))))
        at = seeds.index(row["seed"]), goals[row["goal"]]
        queries[at] += 1
        beaten[at] += all(row[layer] == "1" for layer in LAYERS)
    return out


def main():
    if "--only" not in sys.argv:
        gather()
    runs = by_goal()
    rng = np.random.default_rng(20261127)
    goals = next(iter(runs.values()))[0].shape[1]
    # The same goals for every search in a draw: the ratios are paired.
    draws = rng.multinomial(goals, np.full(goals, 1 / goals), size=DRAWS)

    def rates(key):
        queries, beaten = runs[key]
        every = 1000 * (draws @ beaten.sum(0)) / (draws @ queries.sum(0))
        return 1000 * beaten.sum() / queries.sum(), every, 1000 * beaten.sum(1) / queries.sum(1)

    base, base_draws, _ = rates(("random", "block"))
    low_high = lambda draws: np.quantile(draws, [0.025, 0.975])  # noqa: E731
    print("| search | attacker sees | queries | goals beaten | per 1,000 queries | seed by seed | against random |")
    print("|---|---|--:|--:|--:|---|--:|")
    for search in SEARCHES:
        for tier in TIERS:
            if (search, tier) not in runs:
                continue
            queries, beaten = runs[search, tier]
            rate, every, seeds = rates((search, tier))
            low, high = low_high(every)
            ratio = "–"
            if search != "random":
                a, b = low_high(every / base_draws)
                ratio = f"{rate / base:.2f} ({a:.2f} to {b:.2f})"
            sees = "–" if search == "random" else TIERS[tier]
            print(
                f"| `{search}` | {sees} | {queries.sum():,.0f} | {beaten.sum():,.0f} of {beaten.size:,} | {rate:.0f} ({low:.0f} to {high:.0f}) "
                f"| {', '.join(f'{s:.0f}' for s in seeds)} | {ratio} |"
            )


if __name__ == "__main__":
    main()
