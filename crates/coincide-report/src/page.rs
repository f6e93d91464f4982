//! The page: the HTML file that `web/` builds, with a results document inside. The page itself turns the document into charts and tables; nothing is rendered here.

use crate::conclusions::conclusions;
use crate::results::title;
use coincide_io::Results;
use data_encoding::BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// The built page. `web/README.md` says how it is built; the checks build it again and compare.
const PAGE: &str = include_str!("../page/index.html");
/// Where the document goes: gzipped JSON in base64, a data block that no browser runs.
const PLACE: &str = r#"<script id="coincide-document" type="application/octet-stream">"#;
/// What the built page may load, as the build wrote it: nothing, from nowhere.
const CLOSED: &str = "connect-src 'none'";

/// The report of a document as one HTML file that needs no network.
pub fn page(r: &Results) -> String {
    // Documents of earlier versions have no conclusions yet.
    let own = r.conclusions.is_empty().then(|| Results { conclusions: conclusions(r), ..r.clone() });
    let json = serde_json::to_vec(own.as_ref().unwrap_or(r)).expect("the document holds only numbers, text, lists and maps with text keys");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let packed = gzip.write_all(&json).and_then(|()| gzip.finish()).expect("writing into memory cannot fail");
    let title = title(r).replace('&', "&amp;").replace('<', "&lt;");
    PAGE.replacen(PLACE, &format!("{PLACE}{}", BASE64.encode(&packed)), 1).replacen("<title>Coincide</title>", &format!("<title>{title}</title>"), 1)
}

/// The same page without a document: it asks the server it came from.
pub fn dashboard() -> String {
    PAGE.replacen(CLOSED, "connect-src 'self'", 1)
}
