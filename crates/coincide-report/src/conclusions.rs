//! What each section says, in one sentence written from the data. The terminal, Markdown and the page show the same sentence under the same heading.

use coincide_io::Results;
use std::collections::BTreeMap;

/// A sentence for each section that the document has, by the section's name.
pub fn conclusions(_r: &Results) -> BTreeMap<String, String> {
    BTreeMap::new()
}
