/** The page: the document that stands inside it, or the dashboard of the server it came from. */

import { render } from "preact";
import "./style.css";
import { DOCUMENT_VERSION, embedded } from "./document";
import { Dashboard } from "./dashboard/Dashboard";
import { Report, title } from "./Report";

const place = document.getElementById("page")!;
const document_ = await embedded();
if (!document_) {
  if (location.protocol.startsWith("http")) render(<Dashboard />, place);
  else render(<main><h1>Coincide</h1><p>There is no results document in this page.</p></main>, place);
} else if (document_.document !== DOCUMENT_VERSION) {
  render(<main><h1>Coincide</h1><p>The document in this page is of version {document_.document}; the page reads version {DOCUMENT_VERSION}.</p></main>, place);
} else {
  document.title = title(document_);
  render(<Report r={document_} />, place);
}
