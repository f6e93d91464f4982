/** A chart as SVG, PNG or CSV: into the clipboard, or as a file where the browser does not allow that. */

const KEPT = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "font-family", "font-size", "font-weight", "text-anchor", "opacity"];

/** The chart with its styles inside, so that it looks the same anywhere. */
export function standalone(svg: SVGSVGElement): string {
  const clone = svg.cloneNode(true) as SVGSVGElement;
  const from = [svg, ...svg.querySelectorAll<SVGElement>("*")];
  const to = [clone, ...clone.querySelectorAll<SVGElement>("*")];
  from.forEach((element, i) => {
    const style = getComputedStyle(element);
    for (const name of KEPT) to[i]!.setAttribute(name, style.getPropertyValue(name));
    to[i]!.removeAttribute("class");
  });
  const { width, height } = svg.viewBox.baseVal;
  clone.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  clone.setAttribute("width", String(width));
  clone.setAttribute("height", String(height));
  const paper = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  paper.setAttribute("width", String(width));
  paper.setAttribute("height", String(height));
  paper.setAttribute("fill", getComputedStyle(document.body).backgroundColor);
  clone.prepend(paper);
  return new XMLSerializer().serializeToString(clone);
}

async function png(svg: SVGSVGElement): Promise<Blob> {
  const source = URL.createObjectURL(new Blob([standalone(svg)], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    await new Promise<void>((done, failed) => {
      image.onload = () => done();
      image.onerror = () => failed(new Error("the chart cannot be drawn"));
      image.src = source;
    });
    const canvas = document.createElement("canvas");
    canvas.width = image.width * 2;
    canvas.height = image.height * 2;
    const context = canvas.getContext("2d")!;
    context.scale(2, 2);
    context.drawImage(image, 0, 0);
    return await new Promise((done, failed) => canvas.toBlob((b) => (b ? done(b) : failed(new Error("the chart cannot be drawn"))), "image/png"));
  } finally {
    URL.revokeObjectURL(source);
  }
}

function download(name: string, blob: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

export type Format = "SVG" | "PNG" | "CSV";

/** Copies; says what happened. */
export async function copy(format: Format, name: string, svg: SVGSVGElement | null, table: () => string): Promise<string> {
  let blob: Blob;
  try {
    if (format !== "CSV" && !svg) return "there is no chart yet";
    blob = format === "CSV" ? new Blob([table()], { type: "text/csv" }) : format === "SVG" ? new Blob([standalone(svg!)], { type: "image/svg+xml" }) : await png(svg!);
  } catch (e) {
    return e instanceof Error ? e.message : String(e);
  }
  try {
    if (format === "PNG") await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
    else await navigator.clipboard.writeText(await blob.text());
    return `${format} copied`;
  } catch {
    download(`${name}.${format.toLowerCase()}`, blob);
    return `${format} saved`;
  }
}
