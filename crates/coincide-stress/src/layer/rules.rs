//! Rules: regular expressions, matched in linear time. The layer holds where one matches.

use super::endpoint::text;
use super::{Ask, Layer, Outcome, Reply, Trouble, Verdict};
use crate::campaign::LayerSpec;
use crate::campaign_file::CampaignFile;
use crate::error::Result;
use futures_util::future::BoxFuture;
use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

pub(super) struct Rules {
    set: RegexSet,
}

/// A pattern of the campaign. Fails at its key.
pub(super) fn pattern(file: &CampaignFile, layer: usize, key: &str, text: &str, case_sensitive: bool) -> Result<Regex> {
    let built = RegexBuilder::new(text).case_insensitive(!case_sensitive).multi_line(false).build();
    built.map_err(|e| file.wrong_layer(layer, key, format!("`{text}` is not a regular expression: {}", last_line(&e)), SYNTAX).into())
}

const SYNTAX: &str = "the syntax is that of Rust's regex crate; look-around and back-references do not exist";

fn last_line(e: &regex::Error) -> String {
    e.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

impl Rules {
    pub(super) fn new(file: &CampaignFile, layer: usize, spec: &LayerSpec) -> Result<Rules> {
        let case = spec.case_sensitive.unwrap_or(false);
        let mut patterns = spec.patterns.clone();
        for p in &patterns {
            pattern(file, layer, "patterns", p, case)?;
        }
        if let Some(name) = &spec.file {
            let path = file.resolve(name);
            let text = std::fs::read_to_string(&path)
                .map_err(|e| file.wrong_layer(layer, "file", format!("`{path}` cannot be read: {e}"), "a regular expression a line"))?;
            for (n, line) in text.lines().enumerate().map(|(n, l)| (n + 1, l.trim())).filter(|(_, l)| !l.is_empty() && !l.starts_with('#')) {
                Regex::new(line).map_err(|e| {
                    let place = coincide_io::Place { file: path.clone(), line: Some(n as u64), ..Default::default() };
                    coincide_io::Error::Bad { place, what: format!("is not a regular expression: {}", last_line(&e)), hint: Some(SYNTAX.into()) }
                })?;
                patterns.push(line.to_owned());
            }
            if patterns.is_empty() {
                return Err(file.wrong_layer(layer, "file", format!("`{path}` holds no pattern"), "a regular expression a line").into());
            }
        }
        let set = RegexSetBuilder::new(&patterns).case_insensitive(!case).build();
        let set =
            set.map_err(|e| file.wrong_layer(layer, "patterns", format!("the patterns together are too large: {e}"), "split them over two layers"))?;
        Ok(Rules { set })
    }
}

impl Layer for Rules {
    fn ask<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, std::result::Result<Reply, Trouble>> {
        let found: Vec<String> = self.set.matches(&text(&ask)).iter().map(|i| format!("rule {}", i + 1)).collect();
        let outcome = if found.is_empty() { Outcome::Failed } else { Outcome::Held };
        Box::pin(std::future::ready(Ok(Reply::one(Verdict::of(outcome).labelled(found), Vec::new()))))
    }
}
