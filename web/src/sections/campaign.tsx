/** What a campaign did, and what it has seen so far. */

import { Chart } from "../chart/Chart";
import { type Dot, dots } from "../chart/dots";
import { COLOUR } from "../chart/plot";
import { Section } from "../chart/Section";
import { cell, Table } from "../chart/table";
import { number, percent, whole } from "../numbers";
import { Adaptive } from "./adaptive";
import { History, watched } from "./watch";
import type { CampaignRecord } from "../results";

export function Campaign({ record, says }: { record: CampaignRecord; says: string | undefined }) {
  const families = record.families ?? [];
  const list: Dot[] = [{ name: "all attacks", figure: watched(record.watched), colour: COLOUR.text }, ...families.map((f) => ({ name: f.family, figure: watched(f) }))];
  const words = [...new Set(record.layers.flatMap((l) => Object.keys(l.cells)))];
  return (
    <Section id="campaign" title={`Campaign ${record.name}`} says={says}>
      <p>
        {whole(record.attacks.finished)} of {whole(record.attacks.planned)} attacks and {whole(record.benign.finished)} of {whole(record.benign.planned)} benign prompts are finished: {whole(record.calls)} calls, {whole(record.finds)} attacks that beat
        every layer{record.ended_early ? `. It ended early: ${record.ended_early}` : ""}.
      </p>
      <Chart
        id="campaign"
        label={says ?? "Rate at which attacks beat every layer so far, by family"}
        draw={(width) => dots(list, width, "attacks that beat every layer", "rates", { at: record.watched.estimate ?? 0, colour: COLOUR.text })}
        table={{
          columns: [{ title: "family" }, { title: "goals", numeric: true }, { title: "attacks", numeric: true }, { title: "beat everything", numeric: true }, { title: "rate", numeric: true }, { title: "low", numeric: true }, { title: "high", numeric: true }],
          rows: [{ family: "all attacks", ...record.watched }, ...families].map((f) => [f.family, cell(f.goals, whole), cell(f.trials, whole), cell(f.joint_failures, whole), cell(f.estimate, percent), cell(f.low, percent), cell(f.high, percent)]),
        }}
      />
      <History points={record.history ?? []} />
      <p class="note">Intervals hold however often one looks.</p>
      {record.adaptive && <Adaptive search={record.adaptive} planned={record.watched} />}
      <Table
        caption="What each layer did"
        data={{
          columns: [{ title: "layer" }, { title: "kind" }, { title: "sees" }, { title: "calls", numeric: true }, ...words.map((title) => ({ title, numeric: true })), { title: "median seconds", numeric: true }],
          rows: record.layers.map((l) => [l.name, l.kind, l.stage, cell(l.calls, whole), ...words.map((w) => cell(l.cells[w] ?? 0, whole)), cell(l.latency[0], number)]),
        }}
      />
    </Section>
  );
}
