/** The dashboard: files and studies to analyse, analyses that run, stored results, campaigns; a result is shown by the report's own page. */

import { useEffect, useState } from "preact/hooks";
import { Prose } from "../chart/Section";
import { number, percent, whole } from "../numbers";
import { Report, title } from "../Report";
import { History } from "../sections/watch";
import { type AnalysisStatus, api, type CampaignLive, follow, useAsked } from "./api";
import { Compare } from "./Compare";

/** What the address asks for: `#/results/3`, `#/compare/3/5`, `#/campaign/NAME`, or the start. */
function place(): string[] {
  try {
    return location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  } catch {
    return [];
  }
}

export function Dashboard() {
  const [at, go] = useState(place());
  useEffect(() => {
    const moved = () => {
      go(place());
      scrollTo(0, 0);
    };
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  const [kind, ...rest] = at;
  return (
    <>
      <nav class="top" aria-label="Coincide">
        <a href="#/">Coincide</a>
      </nav>
      {kind === "results" && rest[0] ? <One key={rest[0]} id={Number(rest[0])} /> : kind === "compare" && rest[1] ? <Two key={rest.join("/")} ids={[Number(rest[0]), Number(rest[1])]} /> : kind === "campaign" ? <Follow key={rest.join("/")} name={rest.join("/")} /> : <Start />}
    </>
  );
}

function Wrong({ error }: { error: string }) {
  return (
    <main>
      <h1>That did not work</h1>
      <p role="alert">{error}</p>
    </main>
  );
}

function One({ id }: { id: number }) {
  const { value, error } = useAsked(() => api.result(id), [id]);
  useEffect(() => {
    if (value) document.title = title(value);
  }, [value]);
  if (error) return <Wrong error={error} />;
  return value ? <Report r={value} /> : <main aria-busy="true" />;
}

function Two({ ids }: { ids: [number, number] }) {
  const { value, error } = useAsked(() => Promise.all(ids.map(api.result)), ids);
  if (error) return <Wrong error={error} />;
  if (!value) return <main aria-busy="true" />;
  const [a, b] = value as [Awaited<ReturnType<typeof api.result>>, Awaited<ReturnType<typeof api.result>>];
  return <Compare a={a} b={b} names={[`#${ids[0]} ${title(a)}`, `#${ids[1]} ${title(b)}`]} />;
}

function Follow({ name }: { name: string }) {
  const [live, see] = useState<CampaignLive>();
  const [lost, lose] = useState(false);
  useEffect(() => {
    lose(false);
    return follow<CampaignLive>(`/api/campaign/events?name=${encodeURIComponent(name)}`, "campaign", (now) => (see(now), !now.ended), () => lose(true));
  }, [name]);
  if (!live) return <main><h1>{name}</h1><p role="status">{lost ? "There is no campaign in that folder that can be followed." : "Waiting for the campaign to report."}</p></main>;
  const part = live.planned > 0 ? live.finished / live.planned : 0;
  return (
    <main>
      <h1>Campaign {live.name}</h1>
      <p class="lead" aria-live="polite">
        {live.ended ? "It has ended: " : lost ? "The connection was lost, reload to go on. When last seen: " : "It is running: "}{whole(live.finished)} of {whole(live.planned)} trials, {whole(live.calls)} calls, {whole(live.finds)} attacks that beat every layer.
      </p>
      <progress value={part} max={1} aria-label="trials finished">{percent(part)}</progress>
      <p>
        {live.watched.estimate == null ? "No goal is finished yet." : `So far ${percent(live.watched.estimate)} of attacks beat every layer (${percent(live.watched.low)} to ${percent(live.watched.high)}, however often one looks).`}
        {live.search ? ` The attacker who learns: ${whole(live.search.joint_failures)} of ${whole(live.search.queries)} queries beat every layer (running mean ${percent(live.search.low)} to ${percent(live.search.high)}, however often one looks).` : ""}
        {live.away.length > 0 ? ` Waiting for ${live.away.join(", ")}.` : ""}
      </p>
      <History points={live.history} />
    </main>
  );
}

function Start() {
  const [turn, again] = useState(0);
  const refresh = () => again((n) => n + 1);
  const files = useAsked(api.files, [turn]);
  const results = useAsked(api.results, [turn]);
  const first = useAsked(api.analyses, [turn]);
  const campaigns = useAsked(api.campaigns, [turn]);
  const [picked, pick] = useState<string[]>([]);
  const [fit, setFit] = useState(false);
  const [columns, setColumns] = useState({ clusters: "", strata: "", baseline: "" });
  const [error, fail] = useState("");
  const [compared, compare] = useState<number[]>([]);
  const list = (text: string) => text.split(",").map((x) => x.trim()).filter(Boolean);
  const attempt = async (what: () => Promise<unknown>) => {
    fail("");
    try {
      await what();
    } catch (e) {
      fail(e instanceof Error ? e.message : String(e));
    }
    refresh();
  };
  const study = picked.some((f) => f.endsWith(".toml"));
  const begin = () =>
    attempt(() => api.analyse({ files: picked, fit, ...(study ? {} : { clusters: list(columns.clusters), strata: list(columns.strata), baseline: columns.baseline.trim() || null }) }));
  const upload = (chosen: FileList | null) =>
    attempt(async () => {
      const wrong: string[] = [];
      for (const file of chosen ?? []) {
        try {
          if (file.name.endsWith(".json")) await api.store(await file.text());
          else {
            const { name } = await api.upload(file);
            pick((before) => [...new Set([...before, name])]);
          }
        } catch (e) {
          wrong.push(`${file.name}: ${e instanceof Error ? e.message : String(e)}`);
        }
      }
      if (wrong.length > 0) throw new Error(wrong.join("; "));
    });
  return (
    <main>
      <h1>How layers fail together</h1>
      {error && <p role="alert" class="wrong">{error}</p>}
      <section aria-labelledby="analyse-title">
        <h2 id="analyse-title">Analyse</h2>
        <p>
          <label>
            Upload outcomes, a study or a results document <input type="file" multiple onChange={(e) => { const input = e.currentTarget; void upload(input.files).then(() => (input.value = "")); }} />
          </label>
        </p>
        {files.error && <p role="alert">{files.error}</p>}
        <fieldset class="files">
          <legend>In the data folder (links are not followed{(files.value?.length ?? 0) >= 2000 ? "; the first 2,000 are shown" : ""})</legend>
          {files.value?.length === 0 && <p class="note">Nothing that can be analysed: put a table of outcomes or a study there, or upload one.</p>}
          {files.value?.map((f) => (
            <label>
              <input type="checkbox" checked={picked.includes(f.name)} onChange={() => pick(picked.includes(f.name) ? picked.filter((p) => p !== f.name) : [...picked, f.name])} /> <code>{f.name}</code>{" "}
              <span class="bound">{number(f.bytes / 1000)} kB</span>
            </label>
          ))}
        </fieldset>
        {picked.length > 0 && !study && (
          <div class="columns">
            {(["clusters", "strata", "baseline"] as const).map((key) => (
              <label>
                {{ clusters: "Cluster columns", strata: "Stratum columns", baseline: "Undefended baseline" }[key]}{" "}
                <input type="text" value={columns[key]} placeholder={key === "baseline" ? "column" : "column, column"} onInput={(e) => setColumns({ ...columns, [key]: e.currentTarget.value })} />
              </label>
            ))}
          </div>
        )}
        <p>
          <label><input type="checkbox" checked={fit} onChange={() => setFit(!fit)} /> fit models too (takes longer)</label>{" "}
          <button type="button" class="main" disabled={picked.length === 0} onClick={() => void begin()}>Analyse</button>
        </p>
      </section>
      <Analyses first={first.value ?? []} changed={refresh} attempt={attempt} />
      <section aria-labelledby="results-title">
        <h2 id="results-title">Results</h2>
        {results.error && <p role="alert">{results.error}</p>}
        {results.value?.length === 0 && <p class="note">Nothing yet.</p>}
        <ul class="results">
          {results.value?.map((r) => (
            <li>
              <label class="pick">
                <input type="checkbox" aria-label={`Compare result ${r.id}`} checked={compared.includes(r.id)} onChange={() => compare(compared.includes(r.id) ? compared.filter((c) => c !== r.id) : [...compared.slice(-1), r.id])} />
              </label>
              <div>
                <a href={`#/results/${r.id}`}>#{r.id} {r.title}</a> <span class="bound">{new Date(r.stored * 1000).toLocaleString()} · {r.inputs.map((i) => i.split("/").pop()).join(", ")}</span>
                <p><Prose text={r.answer} /></p>
              </div>
              <button type="button" aria-label={`Delete result ${r.id}`} onClick={() => void attempt(() => api.remove(r.id))}>delete</button>
            </li>
          ))}
        </ul>
        {compared.length === 2 && <p><a class="main" href={`#/compare/${compared[0]}/${compared[1]}`}>Put #{compared[0]} and #{compared[1]} side by side</a></p>}
      </section>
      {(campaigns.value?.length ?? 0) > 0 && (
        <section aria-labelledby="campaigns-title">
          <h2 id="campaigns-title">Campaigns</h2>
          <ul>{campaigns.value!.map((c) => <li><a href={`#/campaign/${encodeURIComponent(c)}`}>{c === "." ? "this folder" : c}</a></li>)}</ul>
        </section>
      )}
    </main>
  );
}

const open = (s: AnalysisStatus) => s.state === "waiting" || s.state === "running";

function Analyses({ first, changed, attempt }: { first: AnalysisStatus[]; changed: () => void; attempt: (what: () => Promise<unknown>) => Promise<void> }) {
  // Those under way first, however old they are.
  const under = first.filter(open);
  const shown = [...under, ...first.filter((s) => !open(s))].slice(0, Math.max(8, under.length));
  if (shown.length === 0) return null;
  return (
    <section aria-labelledby="analyses-title">
      <h2 id="analyses-title">Analyses</h2>
      <ul class="results">
        {shown.map((s) => <Analysis key={s.id} first={s} changed={changed} attempt={attempt} />)}
      </ul>
    </section>
  );
}

function Analysis({ first, changed, attempt }: { first: AnalysisStatus; changed: () => void; attempt: (what: () => Promise<unknown>) => Promise<void> }) {
  const [s, see] = useState(first);
  const under = open(s);
  useEffect(() => see(first), [first]);
  useEffect(() => {
    // One stream: only the one that runs is followed, those that wait are looked at again when it is over.
    if (first.state === "running") {
      return follow<AnalysisStatus>(`/api/analyses/${first.id}/events`, "analysis", (now) => (see(now), open(now)), changed);
    }
    if (first.state !== "waiting") return;
    const timer = setTimeout(changed, 700);
    return () => clearTimeout(timer);
  }, [first]);
  return (
    <li>
      <div>
        #{s.id} <code>{s.request.files.join(", ")}</code> <strong>{s.state}</strong>
        {s.result != null && <> · <a href={`#/results/${s.result}`}>result #{s.result}</a></>}
        {s.error && <p role="alert">{s.error}{s.hint ? `. ${s.hint}` : ""}</p>}
        {under && (
          <p>
            {s.step ?? "in the queue"} <progress {...(s.total > 0 ? { value: s.done, max: s.total } : {})} aria-label={s.step ?? "waiting"} />
          </p>
        )}
      </div>
      {under && <button type="button" onClick={() => void attempt(() => api.cancel(s.id))}>cancel</button>}
    </li>
  );
}
