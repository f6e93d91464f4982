/** The results document inside this page. */

import type { CoincideResults } from "./results";

export type Results = CoincideResults;

/** Version of the document's layout that this page reads. */
export const DOCUMENT_VERSION = 2;

/** The document that was put into the page; none where a server has it. */
export async function embedded(): Promise<Results | undefined> {
  const text = document.getElementById("coincide-document")?.textContent?.trim();
  if (!text) return undefined;
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const json = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  return JSON.parse(json) as Results;
}
