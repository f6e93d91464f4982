/** The server's API, as the dashboard uses it; `/api/openapi.json` describes it. */

import { useEffect, useState } from "preact/hooks";
import type { Results } from "../document";
import type { Watched, WatchedFamily, WatchedPoint, WatchedSearch } from "../results";

export interface FileEntry {
  name: string;
  bytes: number;
  kind: "outcomes" | "study";
}

export interface ResultEntry {
  id: number;
  title: string;
  stored: number;
  answer: string;
  inputs: string[];
  beta: number | null;
}

export interface AnalysisRequest {
  files: string[];
  fit?: boolean;
  clusters?: string[];
  strata?: string[];
  baseline?: string | null;
}

export interface AnalysisStatus {
  id: number;
  request: AnalysisRequest;
  state: "waiting" | "running" | "done" | "failed" | "cancelled" | "interrupted";
  step: string | null;
  done: number;
  total: number;
  result: number | null;
  error: string | null;
  hint: string | null;
}

export interface CampaignLive {
  name: string;
  finished: number;
  planned: number;
  calls: number;
  finds: number;
  watched: Watched;
  search?: WatchedSearch | null;
  families: WatchedFamily[];
  history: WatchedPoint[];
  away: string[];
  ended: boolean;
}

/** What the server said is wrong, with what to do. */
export class Refused extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

async function ask<T>(method: string, path: string, body?: BodyInit, type?: string): Promise<T> {
  const response = await fetch(path, { method, ...(body === undefined ? {} : { body }), ...(type ? { headers: { "content-type": type } } : {}) });
  if (!response.ok) {
    const problem = (await response.json().catch(() => ({}))) as { error?: string; hint?: string };
    throw new Refused([problem.error ?? `${response.status} ${response.statusText}`, problem.hint].filter(Boolean).join(". "), response.status);
  }
  return (response.headers.get("content-type")?.startsWith("application/json") ? response.json() : undefined) as Promise<T>;
}

/** Uploads under a plain name; where something else has it, under the next that is free. */
async function upload(file: File): Promise<{ name: string }> {
  const plain = file.name.normalize("NFKD").replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[.-]+/, "").slice(-80) || "upload.csv";
  const dot = plain.indexOf(".") < 0 ? plain.length : plain.indexOf(".");
  for (let i = 1; ; i++) {
    const name = i === 1 ? plain : `${plain.slice(0, dot)}-${i}${plain.slice(dot)}`;
    try {
      return await ask<{ name: string }>("PUT", `/api/files/${encodeURIComponent(name)}`, file, "application/octet-stream");
    } catch (e) {
      if (!(e instanceof Refused) || e.status !== 409 || i >= 50) throw e;
    }
  }
}

export const api = {
  files: () => ask<FileEntry[]>("GET", "/api/files"),
  results: () => ask<ResultEntry[]>("GET", "/api/results"),
  result: (id: number) => ask<Results>("GET", `/api/results/${id}`),
  remove: (id: number) => ask<void>("DELETE", `/api/results/${id}`),
  analyses: () => ask<AnalysisStatus[]>("GET", "/api/analyses"),
  analyse: (request: AnalysisRequest) => ask<AnalysisStatus>("POST", "/api/analyses", JSON.stringify(request), "application/json"),
  cancel: (id: number) => ask<void>("DELETE", `/api/analyses/${id}`),
  upload,
  store: (text: string) => ask<ResultEntry>("POST", "/api/results", text, "application/json"),
  campaigns: () => ask<string[]>("GET", "/api/campaigns"),
};

/** Calls `seen` with every event until it says that nothing more will come; `ended` when that, or the loss of the stream, has happened. */
export function follow<T>(path: string, name: string, seen: (value: T) => boolean, ended: () => void): () => void {
  const source = new EventSource(path);
  source.addEventListener(name, (e) => {
    if (seen(JSON.parse((e as MessageEvent<string>).data) as T)) return;
    source.close();
    ended();
  });
  source.onerror = () => {
    source.close();
    ended();
  };
  return () => source.close();
}

/** Something asked for once, and again when `when` changes. */
export function useAsked<T>(get: () => Promise<T>, when: readonly unknown[]): { value?: T; error?: string } {
  const [state, set] = useState<{ value?: T; error?: string }>({});
  useEffect(() => {
    let wanted = true;
    get().then(
      (value) => wanted && set({ value }),
      (e: unknown) => wanted && set({ error: String(e instanceof Error ? e.message : e) }),
    );
    return () => {
      wanted = false;
    };
  }, when);
  return state;
}
