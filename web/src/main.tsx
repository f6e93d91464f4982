/** The page: the document that stands inside it, or the dashboard of the server it came from. */

import { render } from "preact";
import "./style.css";
import { DOCUMENT_VERSION, embedded } from "./document";
import { Dashboard } from "./dashboard/Dashboard";
import { Report, title } from "./Report";

const place = document.getElementById("page")!;

function sorry(text: string): void {
  render(<main><h1>Coincide</h1><p role="alert">{text}</p></main>, place);
}

try {
  const inside = await embedded();
  if (inside && inside.document === DOCUMENT_VERSION) {
    document.title = title(inside);
    render(<Report r={inside} />, place);
  } else if (inside) sorry(`The document in this page is of version ${inside.document}; the page reads version ${DOCUMENT_VERSION}. Write the page again with the program that wrote the document.`);
  else if (location.protocol.startsWith("http")) render(<Dashboard />, place);
  else sorry("There is no results document in this page.");
} catch (e) {
  sorry(`This report cannot be shown: ${e instanceof Error ? e.message : String(e)}. It needs a browser of 2023 or later and a file that is whole.`);
}
