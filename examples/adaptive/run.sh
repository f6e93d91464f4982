#!/usr/bin/env bash
# Every search at two access tiers and three seeds; what is there is kept, and a run that was stopped goes on.
#   layers: the attacker sees each guard's verdict, as somebody does who installs the same packages
#   block:  the attacker sees only whether the query got through, as somebody does who faces the service
# A few minutes a run on two cores, most of them the transformer's. COINCIDE names the program.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
coincide=${COINCIDE:-coincide}
[ -s env/attacks.jsonl ] || ../guards/env/venv/bin/python prepare.py

run() { # search, tier, seed
    local name="$1-$2-$3" access='{ sees = "verdicts", separable = true }'
    [ "$2" = block ] && access='{ sees = "block", separable = false }'
    # Paths in a campaign start at its folder.
    sed -e "s/^seed = .*/seed = $3/; s/^search = .*/search = \"$1\"/; s/^access = .*/access = $access/" \
        -e "s#^output = .*#output = \"env/$name\"#" campaign.toml > ".$name.toml"
    [ -e "env/$name/campaign.json" ] || "$coincide" stress ".$name.toml" --resume --quiet
    rm ".$name.toml"
}

for seed in 1 2 3; do
    run random block "$seed" # does not learn, so what it sees is all one
    for search in best_of_n bandit rainbow stack; do
        run "$search" layers "$seed"
        run "$search" block "$seed"
    done
done
../guards/env/venv/bin/python compare.py
