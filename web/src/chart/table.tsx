/** Tables: behind every chart, and where a table says more than a chart. */

import { number } from "../numbers";

export interface Cell {
  text: string;
  /** What goes into CSV: the number itself. */
  raw?: number | string | null | undefined;
}

export interface TableData {
  columns: { title: string; numeric?: boolean }[];
  rows: (Cell | string)[][];
}

/** A cell that shows a number and keeps all its digits. */
export function cell(raw: number | null | undefined, show: (x: number) => string = number): Cell {
  return { text: raw == null ? "–" : show(raw), raw: raw ?? "" };
}

const text = (c: Cell | string) => (typeof c === "string" ? c : c.text);

export function csv(table: TableData): string {
  const quote = (x: string) => (/[",\n]/.test(x) || /^[=+\-@]/.test(x) && Number.isNaN(Number(x)) ? `"${(/^[=+\-@]/.test(x) && Number.isNaN(Number(x)) ? "'" : "") + x.replaceAll('"', '""')}"` : x);
  const line = (cells: string[]) => cells.map(quote).join(",");
  const raw = (c: Cell | string) => (typeof c === "string" ? c : c.raw == null ? c.text : String(c.raw));
  return [line(table.columns.map((c) => c.title)), ...table.rows.map((r) => line(r.map(raw)))].join("\n") + "\n";
}

/** Rows that a table shows before it asks. */
const SHOWN = 200;

export function Table({ data, caption }: { data: TableData; caption?: string }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`Table: ${caption ?? "figures"}`}>
      <table>
        {caption && <caption>{caption}</caption>}
        <thead>
          <tr>
            {data.columns.map((c) =>
              c.title === "" ? (
                <td />
              ) : (
                <th scope="col" class={c.numeric ? "number" : undefined}>
                  {c.title}
                </th>
              ),
            )}
          </tr>
        </thead>
        <tbody>
          {data.rows.slice(0, SHOWN).map((row) => (
            <tr>
              {row.map((c, i) =>
                i === 0 ? (
                  <th scope="row">{text(c)}</th>
                ) : (
                  <td class={data.columns[i]?.numeric ? "number" : undefined}>{text(c)}</td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
      {data.rows.length > SHOWN && <p class="note">The first {SHOWN} of {data.rows.length} rows; CSV has all.</p>}
    </div>
  );
}
