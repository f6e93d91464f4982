//! Reading a campaign: everything that can be known to be wrong before anything is read or asked, at its line.

use crate::campaign::{Adaptive, Campaign, Kind, LayerSpec, Stage};
use crate::error::Result;
use crate::operators::{self, Chain, Operator};
use crate::search::{Profile, SearchName, Sees};
use coincide_io::{Error, InputRecord, Key, TomlFile, suggestion};

/// Where a campaign names the attacker's model, and the evaluator's.
pub(crate) const MODELS: [&[Key<'static>]; 2] =
    [&[Key::Name("adaptive"), Key::Name("attacker")], &[Key::Name("adaptive"), Key::Name("attacker"), Key::Name("evaluator")]];

const COMMON: &[&str] = &["name", "kind", "stage", "concurrency", "rate", "timeout", "retries", "breaker", "fails", "cost", "attributes"];
const ENDPOINT: &[&str] = &["url", "key_env", "headers", "max_reply"];

impl Kind {
    /// Keys that a layer of this kind takes beside the common ones, and those it cannot be without.
    fn keys(self) -> (bool, &'static [&'static str], &'static [&'static str]) {
        match self {
            Kind::Chat => (true, &["model", "system", "max_tokens", "temperature", "refusals", "judge"], &["url", "model"]),
            Kind::Judge => (true, &["model", "question", "failed_when", "held_when", "max_tokens", "temperature"], &["url", "model"]),
            Kind::Moderation => (true, &["model", "threshold"], &["url"]),
            Kind::Guard => (true, &["model", "system", "unsafe_token", "threshold", "max_tokens"], &["url", "model"]),
            Kind::Nemo => (true, &["model", "config_ids", "rail_types"], &["url"]),
            Kind::Lakera => (true, &["detectors"], &["url"]),
            Kind::Litellm => (true, &[], &["url"]),
            Kind::Http => (true, &["body", "verdict", "score", "labels", "failed_when", "held_when", "threshold", "fails_when"], &["url", "body"]),
            Kind::Process => (false, &["command", "env", "in_flight", "start_timeout", "threshold", "fails_when"], &["command"]),
            Kind::Rules => (false, &["file", "patterns", "case_sensitive"], &[]),
            Kind::Probe => (false, &["train", "vectors", "command", "env", "in_flight", "start_timeout", "method", "false_alarms"], &["train"]),
            Kind::Human => (false, &[], &[]),
            Kind::Function => (false, &["threshold", "fails_when"], &[]),
        }
    }
}

/// A campaign and where it lies.
#[derive(Debug, Clone)]
pub struct CampaignFile {
    /// What it says.
    pub campaign: Campaign,
    /// The file with its hash.
    pub record: InputRecord,
    file: TomlFile,
}

impl CampaignFile {
    /// Reads a campaign. Fails with file, line and remedy on what is not one.
    pub fn read(name: &str) -> Result<CampaignFile> {
        Self::from_toml(TomlFile::read(name)?)
    }

    /// The same from bytes; relative paths are resolved from the folder of `name`.
    pub fn parse(name: &str, bytes: Vec<u8>) -> Result<CampaignFile> {
        Self::from_toml(TomlFile::new(name, bytes)?)
    }

    fn from_toml(file: TomlFile) -> Result<CampaignFile> {
        let campaign: Campaign = file.parse("campaign")?;
        let tables: toml::Table = file.parse("campaign")?;
        let out = CampaignFile { campaign, record: file.record.clone(), file };
        out.check(&tables)?;
        Ok(out)
    }

    /// The same with an adaptive search, or with more queries of the one it has. Fails where one of both is missing, and on a search that the campaign cannot have.
    pub fn with_search(mut self, search: Option<SearchName>, queries: Option<u64>) -> Result<CampaignFile> {
        if search.is_none() && queries.is_none() {
            return Ok(self);
        }
        let stated = self.campaign.adaptive.take();
        if stated.is_none() && (search.is_none() || queries.is_none()) {
            let what = if search.is_some() { "--adaptive needs --queries" } else { "--queries needs --adaptive" };
            let hint = "give both, for example the search `stack` with 20000 queries, or an [adaptive] in the campaign";
            return Err(Error::Options { what: what.to_owned(), hint: Some(hint.to_owned()) }.into());
        }
        let stated = stated.unwrap_or_default();
        self.campaign.adaptive = Some(Adaptive { search: search.or(stated.search), queries: queries.unwrap_or(stated.queries), ..stated });
        self.check_adaptive()?;
        Ok(self)
    }

    /// A path of the campaign, from where the program runs.
    pub fn resolve(&self, path: &str) -> String {
        self.file.resolve(path)
    }

    /// The folder of results.
    pub fn output(&self) -> String {
        self.resolve(self.campaign.output.as_deref().unwrap_or("run"))
    }

    /// An error at a place of the campaign.
    pub fn wrong(&self, path: &[Key<'_>], what: impl Into<String>, hint: &str) -> Error {
        self.file.wrong(path, what, Some(hint))
    }

    /// An error about one key of a layer.
    pub fn wrong_layer(&self, layer: usize, key: &str, what: impl Into<String>, hint: &str) -> Error {
        self.wrong(&[Key::Name("layers"), Key::At(layer), Key::Name(key)], what, hint)
    }

    /// The seed.
    pub fn seed(&self) -> coincide::Seed {
        coincide::Seed(self.campaign.seed.unwrap_or(1))
    }

    /// The chains that every attack gets (or that are drawn from), without those of benign prompts.
    pub fn chains(&self) -> Result<Vec<Chain>> {
        let o = &self.campaign.operators;
        let unknown = |key: &str, i: usize, name: &str| {
            let hint = suggestion(name, "operators", operators::OPERATORS.iter().map(|o| o.name));
            self.wrong(&[Key::Name("operators"), Key::Name(key), Key::At(i)], format!("there is no operator `{name}`"), &hint)
        };
        let used = o.r#use.iter().enumerate();
        let used = used.map(|(i, n)| operators::find(n).ok_or_else(|| unknown("use", i, n))).collect::<std::result::Result<Vec<_>, _>>()?;
        let depth = o.depth.unwrap_or(1);
        let depth = depth.min(used.len());
        let mut most = 0.0;
        let mut level = 1.0;
        for d in 0..depth {
            level *= (used.len() - d) as f64;
            most += level;
        }
        if most > 1e5 {
            let hint = "state a smaller depth, fewer operators, or the chains themselves";
            return Err(self.wrong(&[Key::Name("operators"), Key::Name("depth")], format!("{most:.0} sequences are too many"), hint).into());
        }
        let mut chains = if o.plain.unwrap_or(true) { vec![Chain::default()] } else { Vec::new() };
        chains.extend(operators::compositions(&used, depth));
        for (i, text) in o.chains.iter().enumerate() {
            chains.push(Chain::parse(text).map_err(|name| unknown("chains", i, &name))?);
        }
        let mut seen = rustc_hash::FxHashSet::default();
        for chain in &chains {
            if !seen.insert(chain.name()) {
                let what = format!("the sequence `{}` is there twice", chain.name());
                return Err(self.wrong(&[Key::Name("operators")], what, "name operators and chains once each").into());
            }
        }
        if chains.is_empty() {
            return Err(self
                .wrong(&[Key::Name("operators"), Key::Name("plain")], "nothing is left to ask", "use operators, or leave plain = false out")
                .into());
        }
        Ok(chains)
    }

    fn check(&self, tables: &toml::Table) -> Result<()> {
        let c = &self.campaign;
        let bad = |path: &[Key<'_>], what: String, hint: &str| -> Result<()> { Err(self.wrong(path, what, hint).into()) };
        if c.name.trim().is_empty() {
            return bad(&[Key::Name("name")], "the campaign has no name".into(), "name = \"…\" at the top");
        }
        if c.attacks.files.is_empty() {
            return bad(&[Key::Name("attacks")], "names no attacks".into(), "[attacks] with files = [\"attacks.jsonl\"]");
        }
        if c.layers.is_empty() {
            return bad(&[Key::Name("layers")], "names no layers".into(), "[[layers]] with name = \"…\" and kind = \"…\"");
        }
        if c.repeats == Some(0) || c.window == Some(0) {
            let key = if c.repeats == Some(0) { "repeats" } else { "window" };
            return bad(&[Key::Name(key)], format!("{key} must be 1 at least"), "or leave the key out");
        }
        if let Some(x) = [c.budget.cost, c.budget.minutes].into_iter().flatten().find(|x| !(*x > 0.0 && *x <= 1e9)) {
            return bad(&[Key::Name("budget")], format!("a budget must be above 0, not {x}"), "or leave the key out");
        }
        if c.repeats.is_some_and(|n| n > 1_000_000) || c.window.is_some_and(|n| n > 1_000_000) {
            let key = if c.repeats.is_some_and(|n| n > 1_000_000) { "repeats" } else { "window" };
            return bad(&[Key::Name(key)], format!("{key} can be 1,000,000 at most"), "or leave the key out");
        }
        if c.operators.depth == Some(0) || c.operators.sample == Some(0) {
            return bad(&[Key::Name("operators")], "depth and sample must be 1 at least".into(), "or leave the key out");
        }
        if c.operators.depth.is_some() && c.operators.r#use.is_empty() {
            return bad(
                &[Key::Name("operators"), Key::Name("depth")],
                "there are no operators to compose".into(),
                "use = [\"base64\", \"role_play\"]",
            );
        }
        self.chains()?;
        self.check_adaptive()?;
        let listed = tables.get("layers").and_then(toml::Value::as_array);
        for (i, l) in c.layers.iter().enumerate() {
            let at = |key: &'static str| [Key::Name("layers"), Key::At(i), Key::Name(key)];
            if l.name.trim().is_empty() || l.name.contains([':', '>', ';']) {
                return bad(&at("name"), format!("`{}` cannot be a layer's name", l.name), "a name is not empty and has no colon, semicolon or >");
            }
            let Some(kind) = l.kind else {
                let kinds = Kind::ALL.map(Kind::word).join(", ");
                return bad(&at("kind"), format!("the layer `{}` has no kind", l.name), &format!("the kinds are {kinds}"));
            };
            let (endpoint, own, needed) = kind.keys();
            let present: Vec<&str> =
                listed.and_then(|a| a.get(i)).and_then(toml::Value::as_table).map(|t| t.keys().map(String::as_str).collect()).unwrap_or_default();
            let known = || COMMON.iter().chain(if endpoint { ENDPOINT } else { &[] }).chain(own).copied();
            if let Some(key) = present.iter().find(|k| !known().any(|o| o == **k)) {
                let what = format!("`{key}` says nothing about a layer of kind {}", kind.word());
                return bad(
                    &[Key::Name("layers"), Key::At(i), Key::Name(key)],
                    what,
                    &format!("the keys of this kind are {}", known().collect::<Vec<_>>().join(", ")),
                );
            }
            if let Some(key) = needed.iter().find(|k| !present.contains(k)) {
                return bad(
                    &at("name")[..2],
                    format!("the layer `{}` of kind {} needs `{key}`", l.name, kind.word()),
                    "`coincide schema campaign` explains the key",
                );
            }
            self.check_layer(&at("name")[..2], l, kind)?;
        }
        for (section, prompts) in [("attacks", Some(&c.attacks)), ("benign", c.benign.as_ref())] {
            let strata = prompts.map(|p| p.strata.as_slice()).unwrap_or_default();
            for (i, s) in strata.iter().enumerate() {
                let at = [Key::Name(section), Key::Name("strata"), Key::At(i)];
                if ["trial", "goal", "operator", "label", "weight"].contains(&s.as_str()) {
                    return bad(
                        &at,
                        format!("`{s}` cannot be a stratum: the table has a column of that name"),
                        "family and language can, and any other column of the prompts",
                    );
                }
                if strata[..i].contains(s) {
                    return bad(&at, format!("the stratum `{s}` is named twice"), "once is enough");
                }
            }
        }
        let human = |l: &LayerSpec| (l.kind() == Kind::Human).then(|| crate::layer::queue_name(&l.name));
        for (i, l) in c.layers.iter().enumerate() {
            if let Some(name) = human(l)
                && (name != format!("{}.csv", l.name) || name.starts_with('.') || c.layers[..i].iter().any(|o| human(o).as_ref() == Some(&name)))
            {
                let hint = "letters, digits, dash, underscore and dots inside: the queue is a file of that name";
                return bad(
                    &[Key::Name("layers"), Key::At(i), Key::Name("name")],
                    format!("`{}` cannot be the name of a person's queue", l.name),
                    hint,
                );
            }
        }
        let names: Vec<String> = c.layers.iter().flat_map(LayerSpec::columns).collect();
        let taken = ["trial", "goal", "family", "language", "operator", "label", "weight"].map(str::to_owned);
        let strata = c.attacks.strata.iter().chain(c.benign.iter().flat_map(|b| &b.strata));
        for (i, l) in c.layers.iter().enumerate() {
            if let Some(name) =
                l.columns().into_iter().find(|n| names.iter().filter(|o| *o == n).count() > 1 || taken.contains(n) || strata.clone().any(|s| s == n))
            {
                let hint = "layers, and columns of prompts, need names of their own";
                return Err(self.wrong_layer(i, "name", format!("`{name}` is there twice, or is the name of another column"), hint).into());
            }
        }
        if c.layers.iter().filter(|l| l.stage() == Stage::Model).count() > 1 && c.layers.iter().any(|l| l.stage().after_the_model()) {
            let i = c.layers.iter().rposition(|l| l.stage() == Stage::Model).unwrap_or(0);
            return Err(self
                .wrong_layer(
                    i,
                    "kind",
                    "output layers judge one target's answers, and there are several targets",
                    "one campaign a target, or no output layers",
                )
                .into());
        }
        Ok(())
    }

    /// The operators that an adaptive search goes over.
    pub(crate) fn searched(&self, a: &Adaptive) -> Result<Vec<&'static Operator>> {
        let (section, names) = if a.operators.is_empty() { ("operators", &self.campaign.operators.r#use) } else { ("adaptive", &a.operators) };
        if names.is_empty() {
            return Ok(operators::OPERATORS.iter().collect());
        }
        let key = if section == "adaptive" { "operators" } else { "use" };
        let mut out: Vec<&'static Operator> = Vec::new();
        for (i, name) in names.iter().enumerate() {
            let at = [Key::Name(section), Key::Name(key), Key::At(i)];
            let Some(found) = operators::find(name) else {
                let hint = suggestion(name, "operators", operators::OPERATORS.iter().map(|o| o.name));
                return Err(self.wrong(&at, format!("there is no operator `{name}`"), &hint).into());
            };
            if out.iter().any(|o| o.name == found.name) {
                return Err(self.wrong(&at, format!("the operator `{name}` is named twice"), "once is enough").into());
            }
            out.push(found);
        }
        Ok(out)
    }

    /// The profile over the operators of a search, and the longest sequence.
    pub(crate) fn profile(&self, a: &Adaptive, operators: &[&'static Operator]) -> Result<(Profile, usize)> {
        const DEPTH: usize = 3;
        let at = |key: &'static str| [Key::Name("adaptive"), Key::Name("profile"), Key::Name(key)];
        if a.profile.is_some() && a.search != Some(SearchName::Importance) {
            let hint = "search = \"importance\", or leave the profile out";
            return Err(self.wrong(&at("lengths")[..2], "a profile says something only to the search `importance`", hint).into());
        }
        let spec = a.profile.clone().unwrap_or_default();
        let weight = |w: f64| w.is_finite() && (0.0..=1e9).contains(&w);
        let mut weights = vec![1.0; operators.len()];
        for (name, &w) in &spec.operators {
            let Some(i) = operators.iter().position(|o| o.name == *name) else {
                let hint = suggestion(name, "operators of the search", operators.iter().map(|o| o.name));
                return Err(self.wrong(&at("operators"), format!("the search has no operator `{name}`"), &hint).into());
            };
            if !weight(w) {
                return Err(self.wrong(&at("operators"), format!("the weight of `{name}` cannot be {w}"), "from 0 to 1e9").into());
            }
            weights[i] = w;
        }
        let depth = a.depth.unwrap_or(if spec.lengths.is_empty() { DEPTH } else { (spec.lengths.len() - 1).max(1) });
        let lengths = if spec.lengths.is_empty() { Profile::even_lengths(depth) } else { spec.lengths };
        if lengths.len() > depth + 1 {
            return Err(self
                .wrong(&at("lengths"), format!("there are weights of more than {depth} operators"), "raise `depth`, or leave it out")
                .into());
        }
        let usable = weights.iter().filter(|w| **w > 0.0).count();
        let drawn = lengths.iter().take(usable + 1).sum::<f64>() > 0.0;
        if !lengths.iter().all(|w| weight(*w)) || !drawn {
            let hint = "lengths = [0, 2, 1]: one operator twice as often as two";
            return Err(self.wrong(&at("lengths"), "the weights must be 0 or more, and some length that can be drawn above 0", hint).into());
        }
        Ok((Profile::new(&lengths, weights), depth))
    }

    fn check_adaptive(&self) -> Result<()> {
        let c = &self.campaign;
        let Some(a) = &c.adaptive else { return Ok(()) };
        let bad =
            |key: &str, what: String, hint: &str| -> Result<()> { Err(self.wrong(&[Key::Name("adaptive"), Key::Name(key)], what, hint).into()) };
        let operators = self.searched(a)?;
        if !(1..=100_000_000).contains(&a.queries) {
            return bad(
                "queries",
                format!("an adaptive search needs 1 to 100,000,000 queries, not {}", a.queries),
                "queries = 20000, over all goals",
            );
        }
        if a.depth.is_some_and(|d| d == 0 || d > 20) {
            return bad("depth", "depth must be 1 to 20".into(), "or leave the key out");
        }
        self.profile(a, &operators)?;
        self.check_attacker(a)?;
        if a.queries_per_goal == Some(0) {
            return bad("queries_per_goal", "queries_per_goal must be 1 at least".into(), "or leave the key out");
        }
        if let Some(i) = c.layers.iter().position(|l| l.kind == Some(Kind::Human)) {
            return Err(self
                .wrong_layer(
                    i,
                    "kind",
                    "an adaptive search goes on from answers, and a person's come later",
                    "leave the person out of adaptive campaigns",
                )
                .into());
        }
        let strata = c.attacks.strata.iter().chain(c.benign.iter().flat_map(|b| &b.strata)).cloned();
        if let Some(name) = c.layers.iter().flat_map(LayerSpec::columns).chain(strata).find(|n| ["search", "query", "node"].contains(&n.as_str())) {
            return bad(
                "search",
                format!("the table of an adaptive search has a column `{name}` of its own"),
                "rename the layer or stratum of that name",
            );
        }
        Ok(())
    }

    /// What `pair`, `tap` and `crescendo` need.
    fn check_attacker(&self, a: &Adaptive) -> Result<()> {
        let bad = |place: &[Key<'_>], what: String, hint: &str| -> Result<()> { Err(self.wrong(place, what, hint).into()) };
        let search = a.search.unwrap_or_default();
        let at = |key: &'static str| [MODELS[0], &[Key::Name(key)]].concat();
        if let Some(spec) = &a.attacker {
            for (model, place) in spec.models().iter().zip(MODELS) {
                if model.url.as_ref().is_none_or(String::is_empty) || model.model.as_ref().is_none_or(String::is_empty) {
                    let hint = "url = \"http://127.0.0.1:4000/v1/chat/completions\" and model = \"…\"";
                    return bad(place, format!("the {} needs `url` and `model`", model.name), hint);
                }
                self.check_layer(place, model, Kind::Chat)?;
            }
            let sizes = [
                ("streams", spec.streams, 1),
                ("branching", spec.branching, 1),
                ("width", spec.width, 1),
                ("depth", spec.depth, 1),
                ("backtracks", spec.backtracks, 0),
            ];
            if let Some((key, n, least)) =
                sizes.into_iter().find_map(|(key, n, least)| n.filter(|n| !(least..=1000).contains(n)).map(|n| (key, n, least)))
            {
                return bad(&at(key), format!("{key} must be {least} to 1,000, not {n}"), "or leave the key out");
            }
        }
        if !search.converses() {
            return Ok(());
        }
        if a.attacker.is_none() {
            let what = format!("`{}` needs a model that writes its prompts", search.word());
            return bad(&[Key::Name("adaptive")], what, "[adaptive.attacker] with url = \"http://…/v1/chat/completions\" and model = \"…\"");
        }
        let layers = &self.campaign.layers;
        if search == SearchName::Crescendo {
            let place = [Key::Name("adaptive"), Key::Name("search")];
            let mut targets = layers.iter().filter(|l| l.stage() == Stage::Model);
            let (Some(target), None) = (targets.next(), targets.next()) else {
                let hint = "one layer of kind chat; pair and tap need no target";
                return bad(&place, "`crescendo` talks with one target, and there is none or several".into(), hint);
            };
            // A function says itself whether harm was done.
            if target.kind() != Kind::Function && !layers.iter().any(|l| l.judge.is_some() || l.stage().after_the_model()) {
                let hint = "add judge = { url = \"…\", model = \"…\" } to the target, or a layer that sees the answer";
                return bad(&place, "`crescendo` begins harmlessly, and nothing here says when an answer does harm".into(), hint);
            }
            if a.access.sees == Sees::Nothing {
                let hint = "sees = \"block\" shows the target's answers where nothing blocks them";
                return bad(&[Key::Name("adaptive"), Key::Name("access")], "`crescendo` goes on from answers, and sees nothing".into(), hint);
            }
        }
        Ok(())
    }

    fn check_layer(&self, place: &[Key<'_>], l: &LayerSpec, kind: Kind) -> Result<()> {
        let bad = |key: &str, what: String, hint: &str| -> Result<()> { Err(self.wrong(&[place, &[Key::Name(key)]].concat(), what, hint).into()) };
        for (key, x) in [("rate", l.rate), ("timeout", l.timeout), ("start_timeout", l.start_timeout)] {
            if let Some(x) = x.filter(|x| !(x.is_finite() && *x > 0.0 && *x <= 1e6)) {
                return bad(key, format!("{key} must be above 0 and at most 1,000,000, not {x}"), "or leave the key out");
            }
        }
        if let Some(x) = l.cost.filter(|x| !(x.is_finite() && *x >= 0.0)) {
            return bad("cost", format!("a cost cannot be {x}"), "a number from 0 on");
        }
        for (key, x) in [("concurrency", l.concurrency), ("in_flight", l.in_flight)] {
            if x.is_some_and(|x| x == 0 || x > 100_000) {
                return bad(key, format!("{key} must be 1 to 100,000"), "or leave the key out");
            }
        }
        if l.rate.is_some_and(|r| r < 1e-6) {
            return bad("rate", "a rate must be one call in twelve days at least".into(), "calls a second");
        }
        for (name, value) in &l.headers {
            let lower = name.to_ascii_lowercase();
            let secret = ["authorization", "cookie", "key", "token", "secret"].iter().any(|w| lower.contains(w));
            if secret && !value.starts_with("env:") {
                return bad("headers", format!("keys never stand in files, and `{name}` looks like one"), "export it, and write \"env:NAME\" here");
            }
        }
        if l.breaker == Some(0) {
            return bad("breaker", "breaker must be 1 at least".into(), "or leave the key out");
        }
        if l.threshold.is_some_and(|x| !x.is_finite()) {
            return bad("threshold", "a threshold must be finite".into(), "a score at which the layer changes its mind");
        }
        if let Some(x) = l.false_alarms.filter(|x| !(*x > 0.0 && *x < 1.0)) {
            return bad("false_alarms", format!("a share of harmless examples cannot be {x}"), "for example 0.01");
        }
        let reserved: Option<&String> = l.attributes.keys().find(|k| *k == "kind" || *k == "stage");
        if let Some(key) = reserved.filter(|k| *k == "stage") {
            return bad("attributes", format!("`{key}` is there already"), "use another name, or the key itself");
        }
        if let Some(stage) = l.stage {
            let fits = match kind {
                Kind::Chat => stage == Stage::Model,
                Kind::Judge => stage.after_the_model(),
                Kind::Function => true,
                _ => stage != Stage::Model,
            };
            if !fits {
                let hint = "chat is the model, and a function may be; judges see output or transcript; every other layer input, output or transcript";
                return bad("stage", format!("a layer of kind {} cannot have the stage {}", kind.word(), stage.word()), hint);
            }
        }
        if let Some(url) = &l.url
            && !(url.starts_with("http://") || url.starts_with("https://"))
        {
            return bad("url", format!("`{url}` is not an address"), "the whole endpoint, for example \"http://127.0.0.1:4000/v1/chat/completions\"");
        }
        match kind {
            Kind::Http if l.verdict.is_none() && l.score.is_none() => bad(
                "body",
                format!("nothing says where the reply of `{}` holds its verdict", l.name),
                "verdict = \"/flagged\", or score = \"/score\" with threshold and fails_when",
            ),
            Kind::Http if l.verdict.is_some() && (l.threshold.is_some() || l.fails_when.is_some()) => bad(
                if l.threshold.is_some() { "threshold" } else { "fails_when" },
                "the verdict decides, so nothing is left for a threshold".into(),
                "leave out the verdict, or the threshold",
            ),
            Kind::Http if l.body.as_ref().is_some_and(|b| placeholder(b).is_some()) => {
                let name = l.body.as_ref().and_then(placeholder).unwrap_or_default();
                bad(
                    "body",
                    format!("`{{{name}}}` is nothing that can be filled in"),
                    &suggestion(&name, "places", ["prompt", "output", "messages", "stage", "trial"]),
                )
            }
            Kind::Http if l.verdict.is_some() && l.held_when.is_empty() && l.failed_when.is_empty() => bad(
                "verdict",
                "nothing says which verdicts mean held".into(),
                "held_when = [\"true\"], or failed_when = [\"false\"]; the values as text",
            ),
            Kind::Http if l.score.is_some() && l.verdict.is_none() && (l.threshold.is_none() || l.fails_when.is_none()) => bad(
                "score",
                "a score needs threshold and fails_when".into(),
                "threshold = 0.5 and fails_when = \"below\": high scores are suspicious",
            ),
            Kind::Process | Kind::Function if l.threshold.is_some() != l.fails_when.is_some() => bad(
                if l.threshold.is_some() { "threshold" } else { "fails_when" },
                "threshold and fails_when belong together".into(),
                "give both, or neither",
            ),
            Kind::Rules if l.file.is_some() != l.patterns.is_empty() => bad(
                "patterns",
                format!("`{}` needs patterns or a file of them, one of the two", l.name),
                "patterns = [\"ignore (all|previous) instructions\"]",
            ),
            Kind::Probe if l.vectors.is_some() != l.command.is_empty() => {
                let hint = "vectors = { files = [\"activations.parquet\"] }, or command = [\"python3\", \"embed.py\"]";
                bad("vectors", format!("`{}` needs the prompts' activations from a file or a process, one of the two", l.name), hint)
            }
            Kind::Guard if l.unsafe_token.is_some() != l.threshold.is_some() => {
                bad("unsafe_token", "unsafe_token and threshold belong together".into(), "give both, or neither: then the reply's text counts")
            }
            _ => Ok(()),
        }
    }
}

/// The first `{word}` in a body that is filled by nothing.
fn placeholder(body: &serde_json::Value) -> Option<String> {
    match body {
        serde_json::Value::String(s) => s.split('{').skip(1).find_map(|rest| {
            let (name, _) = rest.split_once('}')?;
            let word = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            let known = ["prompt", "output", "stage", "trial"].contains(&name) || s == "{messages}";
            (word && !known).then(|| name.to_owned())
        }),
        serde_json::Value::Array(a) => a.iter().find_map(placeholder),
        serde_json::Value::Object(o) => o.values().find_map(placeholder),
        _ => None,
    }
}
