/** Verdicts on claims, and why. */

import { Prose, Section } from "../chart/Section";
import { intervalText, percent } from "../numbers";
import type { Argument, ClaimNode } from "../results";

function bound(c: ClaimNode): string {
  const e = c.evidence;
  if (!e) return c.statement.of?.length ? `${c.statement.combines ?? "all"} of ${c.statement.of.join(", ")}` : "";
  return `at most ${percent(e.at_most)} at ${percent(e.confidence)}`;
}

export function Claims({ argument, says }: { argument: Argument; says: string | undefined }) {
  return (
    <Section id="claims" title="Claims" says={says}>
      <ul class="claims">
        {argument.claims.map((c) => (
          <li class={`claim ${c.verdict}`}>
            <span class="verdict">{c.verdict}{c.flagged ? ", flagged" : ""}</span> <strong>{c.statement.name}</strong>
            {c.statement.about ? `: ${c.statement.about}` : ""} <span class="bound">{bound(c)}</span>
            {c.evidence?.outcomes && <span class="bound"> · limits {intervalText(c.evidence.outcomes.limits, percent)}</span>}
            {c.evidence?.map && <span class="bound"> · {percent(c.evidence.map.probability)} of draws</span>}
            <details>
              <summary>Why</summary>
              {c.why.map((w) => <p><Prose text={w} /></p>)}
              {(c.statement.assumptions ?? []).map((a) => <p>Assumption: {a}</p>)}
              {(c.statement.defeaters ?? []).map((d) => <p>Would defeat it: {d}</p>)}
            </details>
          </li>
        ))}
      </ul>
    </Section>
  );
}
