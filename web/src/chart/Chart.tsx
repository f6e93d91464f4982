/** A chart with its one-line description, the table behind it, and buttons that copy it. */

import { useEffect, useRef, useState } from "preact/hooks";
import { plain } from "../numbers";
import { copy, type Format } from "./copy";
import { csv, Table, type TableData } from "./table";

export interface ChartProps {
  /** Name of files, and of the element. */
  id: string;
  /** What a screen reader says instead of the chart: what to conclude. */
  label: string;
  /** Draws at a width. */
  draw: (width: number) => Element;
  table: TableData;
  /** Draws again when one of these changes. */
  when?: readonly unknown[];
}

export function Chart({ id, label: sentence, draw, table, when = [] }: ChartProps) {
  const label = plain(sentence);
  const place = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [said, say] = useState("");
  useEffect(() => {
    const element = place.current!;
    const watch = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    if (width < 50) return;
    const drawn = draw(width);
    // Charts bring no style of their own: the page's policy would refuse it.
    drawn.querySelectorAll("style").forEach((s) => s.remove());
    drawn.setAttribute("aria-hidden", "true");
    place.current!.replaceChildren(drawn);
  }, [width, table.rows.length, sentence, ...when]);
  const press = async (format: Format) => {
    say(await copy(format, `coincide-${id}`, place.current!.querySelector("svg"), () => csv(table)));
    setTimeout(() => say(""), 4000);
  };
  return (
    <figure id={`chart-${id}`} class="chart">
      <div class="drawing" ref={place} role="img" aria-label={label} />
      <figcaption class="tools">
        <details>
          <summary>Table</summary>
          <Table data={table} caption={`Figures behind the chart: ${id}`} />
        </details>
        <span class="buttons">
          {(["SVG", "PNG", "CSV"] as Format[]).map((f) => (
            <button type="button" onClick={() => void press(f)} aria-label={`Copy ${id} as ${f}`}>
              {f}
            </button>
          ))}
          <span role="status" class="said">
            {said}
          </span>
        </span>
      </figcaption>
    </figure>
  );
}
