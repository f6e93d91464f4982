/** Rates after checks by hand: β as it was recorded and as it is after them, and how wrong the grader would have to be. */

import { Chart } from "../chart/Chart";
import { type Dot, dots } from "../chart/dots";
import { base, COLOUR, names, Plot, short, UNDER } from "../chart/plot";
import { Prose, Section } from "../chart/Section";
import { cell, Table } from "../chart/table";
import { intervalText, number, percent, type Show, valueText, whole } from "../numbers";
import type { Checked, CheckedGroup, Figure, JudgeErrors } from "../results";

const GROUPS: Record<CheckedGroup["group"], string> = { "all-failed": "every layer failed", "near-miss": "near misses", other: "all other attacks" };

const own = (e: JudgeErrors) => `${percent(e.false_failure)} held as failed, ${percent(e.false_hold)} failed as held`;

/** β for assumed errors of the grader: those of each layer down, those of all layers at once across. */
function Grader({ c }: { c: Checked }) {
  const list = c.judge_errors;
  const rows = [...new Set(list.map(own))];
  const columns = [...new Set(list.map((e) => e.shared))];
  const at = (row: string, shared: number) => list.find((e) => own(e) === row && e.shared === shared);
  const text = (e: JudgeErrors | undefined) => (e == null ? "–" : e.beta.value != null ? percent(e.beta.value) : e.beta.undefined?.includes("explain") ? "all explained" : "does not fit");
  const all = list.filter((e) => e.beta.undefined?.includes("explain")).length;
  const known = list.map((e) => e.beta.value).filter((x): x is number => x != null);
  const ends = known.length ? `β would lie between ${percent(Math.min(...known))} and ${percent(Math.max(...known))}` : "";
  const explained = all > 0 ? `errors of ${all} of these ${list.length} sizes would explain every joint failure that was recorded` : "no error of these sizes would explain every joint failure that was recorded";
  const concluded = ends ? `${ends}; ${explained}` : explained;
  const draw = (width: number) => {
    const n = names(rows, width);
    const side = Math.min(150, (width - n.margin - 24) / columns.length);
    const log = (e: JudgeErrors) => (e.beta.value != null && e.beta.value > 0 && c.recorded > 0 ? Math.max(-3, Math.min(3, Math.log2(e.beta.value / c.recorded))) : NaN);
    return Plot.plot({
      ...base(Math.min(width, n.margin + 24 + side * columns.length), 34 * rows.length + 58),
      marginLeft: n.margin,
      marginTop: 6,
      padding: 0.05,
      color: { type: "diverging", domain: [-3, 3], pivot: 0, range: ["#56a5d8", "#f2f2f2", "#e8873a"], unknown: "#c9ced3" },
      x: { domain: columns.map((s) => percent(s)), label: "share of attacks with one error on all layers", ...UNDER, tickSize: 0 },
      y: { domain: rows, label: null, tickSize: 0, tickFormat: (x: string) => short(x, n.letters) },
      marks: [
        Plot.cell(list, { x: (e: JudgeErrors) => percent(e.shared), y: own, fill: log, title: (e: JudgeErrors) => `${own(e)}, ${percent(e.shared)} on all layers: ${text(e)}` }),
        Plot.text(list, { x: (e: JudgeErrors) => percent(e.shared), y: own, text: (e: JudgeErrors) => (side < 84 && e.beta.value == null ? "all" : text(e)), fill: "#111111" }),
      ],
    });
  };
  return (
    <>
      <h3>How wrong the grader would have to be</h3>
      <Chart
        id="grader"
        label={`If the grader erred so, ${concluded}`}
        draw={draw}
        when={[c]}
        table={{
          columns: [{ title: "held recorded as failed", numeric: true }, { title: "failed recorded as held", numeric: true }, ...columns.map((s) => ({ title: `β, shared error ${percent(s)}`, numeric: true }))],
          rows: rows.map((row) => {
            const e = list.find((x) => own(x) === row)!;
            return [cell(e.false_failure, percent), cell(e.false_hold, percent), ...columns.map((s) => ({ text: text(at(row, s)), raw: at(row, s)?.beta.value ?? "" }))];
          }),
        }}
      />
      <p class="note">
        β on the recorded outcomes if the grader erred so: on each layer by itself (down), and on all layers at once (across). Blue: less than the {percent(c.recorded)} that was recorded; orange: more. All explained: errors of this size alone make as many joint failures as were recorded. So {concluded}.
      </p>
    </>
  );
}

export function AfterChecks({ c, says }: { c: Checked; says: Record<string, string> }) {
  const both = c.corrects === "both";
  const list: Dot[] = [
    { name: "as recorded", figure: { value: c.recorded }, colour: COLOUR.independent },
    { name: "after the checks", figure: c.beta },
    ...(both && c.without_records.interval ? [{ name: "as many checks without records", figure: c.without_records, colour: COLOUR.model }] : []),
  ];
  const graded = c.layers.filter((l) => l.rate.value != null || l.rate.identified != null);
  const row = (name: string, recorded: number | null, f: Figure, show: Show) => [name, recorded == null ? "" : cell(recorded, show), { text: valueText(f, show), raw: f.value ?? "" }, intervalText(f.interval, show)];
  return (
    <Section id="checked" title="After checks by hand" says={says.checked}>
      <Chart
        id="checked"
        label={says.checked ?? "The rate at which all layers fail, as recorded and after checks by hand"}
        draw={(width) => dots(list, width, "all layers fail", "rates")}
        when={[c]}
        table={{
          columns: [{ title: "" }, { title: "β", numeric: true }, { title: "interval" }],
          rows: list.map((d) => [d.name, { text: valueText(d.figure, percent), raw: d.figure.value ?? "" }, intervalText(d.figure.interval, percent)]),
        }}
      />
      <p class="note">
        {both
          ? list.length > 2
            ? "As many checks without records: what would be known if they had been drawn from all attacks alike. How much wider that interval is than the one after the checks is what the recorded outcomes save."
            : ""
          : "Corrected for false positives only: joint failures that were recorded as stopped are not in here."}
        {c.beta.value == null && c.beta.identified ? " Verdicts that cannot be told are counted both ways; a triangle marks the upper end of the interval." : ""}
      </p>
      <Table
        caption="What was checked"
        data={{
          columns: [{ title: "recorded" }, { title: "trials", numeric: true }, { title: "checked", numeric: true }, { title: "genuine", numeric: true }, { title: "cannot tell", numeric: true }],
          rows: c.groups.map((g) => [GROUPS[g.group], cell(g.trials, whole), cell(g.checked, whole), cell(g.genuine, whole), cell(g.ambiguous, whole)]),
        }}
      />
      <p class="note">Genuine: every layer truly failed. Checks were drawn at random within each row, so its share of genuine ones holds for the whole row.</p>
      <Table
        caption="Rates after the checks"
        data={{
          columns: [{ title: "" }, { title: "recorded", numeric: true }, { title: "after the checks", numeric: true }, { title: "interval" }],
          rows: [row("β", c.recorded, c.beta, percent), ...graded.map((l) => row(`P(${l.layer} fails)`, l.recorded ?? null, l.rate, percent)), row("gap", null, c.gap, number)],
        }}
      />
      {c.gap.undefined != null && <p class="note">No gap after the checks: {c.gap.undefined}.</p>}
      {c.notes.map((n) => (
        <p class="note">
          <Prose text={n} />
        </p>
      ))}
      {c.judge_errors.length > 0 && <Grader c={c} />}
    </Section>
  );
}
