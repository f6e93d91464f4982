/** Which layers to choose, what other ways to choose would have cost, and the best for less. */

import { Chart } from "../chart/Chart";
import { type Dot, dots } from "../chart/dots";
import { COLOUR } from "../chart/plot";
import { Section } from "../chart/Section";
import { Table } from "../chart/table";
import { intervalText, number, percent, valueText } from "../numbers";
import type { Choice, Selection } from "../results";

const WAYS: Record<string, string> = { independence: "rates multiplied, as if independent", "low-correlation": "lowest correlation alone" };

const names = (c: Choice) => (c.layers.length ? c.layers.join(", ") : "no layer");

export function WhichLayers({ s, says }: { s: Selection; says: Record<string, string> }) {
  const taken = Object.keys(s.best.takes);
  const ways = [{ name: "the best", choice: s.best, believes: undefined as number | null | undefined, held_out: s.held_out }, ...s.others.map((o) => ({ name: WAYS[o.way] ?? o.way, choice: o.choice, believes: o.believes, held_out: o.held_out }))];
  const list: Dot[] = ways.map((w, i) => ({ name: w.name, figure: w.held_out, beside: w.choice.beta, colour: i === 0 ? COLOUR.observed : COLOUR.independent }));
  const alarms = s.best.false_alarm != null;
  const frontier = s.frontier ?? [];
  return (
    <Section id="selection" title="Which layers to choose" says={says.selection}>
      <Chart
        id="selection"
        label={says.selection ?? "P(all chosen layers fail), by way to choose"}
        draw={(width) => dots(list, width, s.fails ? "P(system failure)" : "P(all chosen layers fail)", "rates", { at: s.best.beta, colour: COLOUR.text })}
        table={{
          columns: [{ title: "way to choose" }, { title: "layers" }, { title: "β", numeric: true }, ...taken.map((t) => ({ title: t, numeric: true })), ...(alarms ? [{ title: "false alarms", numeric: true }] : []), { title: "believes", numeric: true }, { title: "on unseen clusters", numeric: true }, { title: "interval" }],
          rows: ways.map((w) => [w.name, names(w.choice), percent(w.choice.beta), ...taken.map((t) => (w.choice.takes[t] == null ? "–" : number(w.choice.takes[t]))), ...(alarms ? [w.choice.false_alarm == null ? "–" : percent(w.choice.false_alarm)] : []), w.believes == null ? "–" : percent(w.believes), valueText(w.held_out, percent), intervalText(w.held_out.interval, percent)]),
        }}
      />
      <p class="note">
        Filled: on clusters that the way to choose had not seen. Open: as it looks on those that it chose by ({s.judged_by === "observed" ? "what was counted" : <>{s.worst != null ? `the mean over the worst ${percent(s.worst)} of the posterior draws` : "the posterior mean"} of <code>{s.judged_by}</code></>}). {s.proven ? "No other choice that keeps to the limits is better." : `Not proven to be the best: no choice is better than ${percent(s.bound)}.`}
      </p>
      {s.fails && <p class="note">The system fails where <code>{s.fails}</code>; layers that are not chosen count as failed.</p>}
      {(s.worlds ?? []).length > 1 && (
        <Table caption="The best choice in each scenario; choices are judged by the worst" data={{ columns: [{ title: "scenario" }, { title: "rate", numeric: true }], rows: (s.worlds ?? []).map((w) => [w.scenario, percent(w.rate)]) }} />
      )}
      {(s.unaffordable ?? []).length > 0 && <p class="note">No limit leaves room for {(s.unaffordable ?? []).join(", ")}.</p>}
      {(s.notes ?? []).map((n) => <p class="note">{n}</p>)}
      {s.along && frontier.length > 1 && (
        <Table caption={`The best for less ${s.along}`} data={{ columns: [{ title: s.along }, { title: "β", numeric: true }, { title: "layers" }], rows: frontier.map((c) => [c.takes[s.along ?? ""] == null ? String(c.layers.length) : number(c.takes[s.along ?? ""] ?? 0), percent(c.beta), names(c)]) }} />
      )}
    </Section>
  );
}
