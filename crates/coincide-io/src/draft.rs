//! A first study for outcomes: commented, with everything that was inferred written down.

use crate::document::write_text;
use crate::error::{Error, Result};
use crate::load::Loaded;
use crate::options::{LayerFrom, ReadOptions};
use crate::study::StudyFile;
use std::fmt::Write;
use std::path::{Component, Path, PathBuf};

/// A TOML string.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 || c == '\u{7f}' => {
                let _ = write!(out, "\\u{:04X}", c as u32);
            }
            c => out.push(c),
        }
    }
    out + "\""
}

fn list(names: &[String]) -> String {
    format!("[{}]", names.iter().map(|n| quote(n)).collect::<Vec<_>>().join(", "))
}

/// `path` as it is seen from `folder`.
fn seen_from(folder: &Path, path: &str) -> String {
    let full =
        |p: &Path| std::path::absolute(p).unwrap_or_else(|_| p.to_path_buf()).components().filter(|c| *c != Component::CurDir).collect::<PathBuf>();
    let (from, to) = (full(folder), full(Path::new(path)));
    let (a, b): (Vec<Component<'_>>, Vec<Component<'_>>) = (from.components().collect(), to.components().collect());
    let same = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    if same <= 1 {
        return to.to_string_lossy().into_owned();
    }
    let mut out = PathBuf::new();
    (same..a.len()).for_each(|_| out.push(".."));
    b[same..].iter().for_each(|c| out.push(c));
    out.to_string_lossy().into_owned()
}

/// Writes a study of outcomes that were loaded from files, and says in a line what it is. `order`: the layers of a pipeline, first to last.
///
/// Fails where `output` exists, where outcomes came from no file, and on a layer in `order` that is none.
pub fn draft(files: &[String], read: &ReadOptions, loaded: &Loaded, order: &[String], output: &Path) -> Result<String> {
    let wrong = |what: String, hint: &str| Error::Options { what, hint: Some(hint.to_owned()) };
    if files.is_empty() || files.iter().any(|f| f == "-") {
        return Err(wrong("a study names its files, and these outcomes came from none".into(), "write them to a file first"));
    }
    if output.exists() {
        return Err(wrong(format!("`{}` exists already", output.display()), "name another file with --output"));
    }
    let t = &loaded.table;
    let folder = output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf();
    let files: Vec<String> = files.iter().map(|f| seen_from(&folder, f)).collect();
    let factor = |f: &[coincide::Factor]| f.iter().map(|f| f.name.clone()).collect::<Vec<_>>();
    let (clusters, strata) = (factor(t.clusters()), factor(t.strata()));
    let (first, last) = (&t.layers()[0], &t.layers()[t.layers().len() - 1]);
    let mut s = String::new();
    let mut line = |text: &str| {
        s.push_str(text);
        s.push('\n');
    };
    line("# A study: everything `coincide run` and `coincide check` need. `coincide schema study` describes every key.");
    line("# Paths are relative to this file. Lines that begin with # are examples: remove the # to use them.");
    line("name = \"How these layers fail together\"");
    line("");
    line("[outcomes]");
    line(&format!("files = {}", list(&files)));
    let columns = |name: &str, list_: &[String], about: &str| {
        if list_.is_empty() { format!("# {name} = [\"…\"]  # {about}") } else { format!("{name} = {}  # {about}", list(list_)) }
    };
    line(&columns("clusters", &clusters, "trials of one cluster are not independent; several columns are crossed"));
    line(&columns("strata", &strata, "known conditions to compare within"));
    let optional = |name: &str, value: &Option<String>, about: &str| match value {
        Some(v) => format!("{name} = {}  # {about}", quote(v)),
        None => format!("# {name} = \"…\"  # {about}"),
    };
    line(&optional("baseline", &read.baseline, "the undefended pipeline on the same attacks"));
    for (name, value) in [("trial", &read.trial), ("weight", &read.weight), ("label", &read.label), ("order_from", &read.order_from)] {
        if let Some(v) = value {
            line(&format!("{name} = {}", quote(v)));
        }
    }
    if !order.is_empty() {
        if let Some(unknown) = order.iter().find(|o| !t.layers().contains(o)) {
            let hint = format!("the layers are {}", t.layers().join(", "));
            return Err(wrong(format!("--order names `{unknown}`, which is not a layer"), &hint));
        }
        line(&format!("order = {}", list(order)));
    }
    match &read.layer_from {
        Some(LayerFrom::File) => line("layer_from = \"file\""),
        Some(LayerFrom::Column(c)) => line(&format!("layer_from = {}", quote(c))),
        None => {}
    }
    if !read.join.is_empty() {
        line(&format!("join = {}", list(&read.join)));
    }
    line(&format!("# goal = {}  # the cluster column of attackers' goals, for many tries", quote(clusters.first().map_or("goal", String::as_str))));
    line("");
    line("# Attributes say what layers have in common: --group provider splits the gap by them, and scenarios can name them.");
    for layer in t.layers() {
        line("[[layers]]");
        line(&format!("name = {}", quote(layer)));
        if let Some(cut) = read.thresholds.iter().find(|x| x.layer == *layer) {
            line(&format!("threshold = {:?}", cut.value));
            if let Some(side) = cut.fails_when.or(read.fails_when) {
                line(&format!(
                    "fails_when = \"{}\"",
                    serde_json::to_value(side).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
                ));
            }
        }
        line("# provider = \"…\"");
        line("# training_data = \"…\"");
        line("");
    }
    line("[system]");
    line("fails = \"all(*)\"  # all(a, b), any(a, b), at_least(2, a, b, c), & | !, and the pillars below");
    line("# [system.pillars]");
    line(&format!("# outer = {}", quote(&format!("all(`{first}`, `{last}`)"))));
    line("");
    line("[analysis]");
    line("seed = 1");
    line("# attempts = [1, 10, 100]  # some of n attempts on a goal beats everything");
    line("# split_by = [\"provider\"]");
    line("");
    line("# [fit]  # models of joint failure; all of them where none is named");
    line("# models = [\"factor\", \"factor+common-mode\"]");
    line("");
    line("# Worlds other than the tested one. `nominal` is always there.");
    if let Some(f) = t.strata().first() {
        line("[[scenarios]]");
        line("name = \"distribution shift\"");
        line(&format!("about = {}", quote(&format!("twice as much of {} = {}", f.name, f.levels[0]))));
        let mut trials = vec![0.0; f.levels.len()];
        t.attacks().for_each(|c| trials[c.strata()[0] as usize] += c.w);
        trials[0] *= 2.0;
        let shares: Vec<String> = f.levels.iter().zip(&trials).map(|(l, n)| format!("{} = {n:?}", quote(l))).collect();
        line(&format!("strata = {{ {} = {{ {} }} }}", quote(&f.name), shares.join(", ")));
    } else {
        line("[[scenarios]]");
        line("name = \"distribution shift\"");
        line("about = \"any attacks within this divergence of those tested\"");
        line("radius = 0.1");
    }
    line("");
    line("[[scenarios]]");
    line("name = \"one layer compromised\"");
    line(&format!("compromised = [{}]", quote(first)));
    line("");
    line("[[scenarios]]");
    line("name = \"a layer trained against\"");
    line(&format!("trained_against = {{ {} = 0.5 }}  # half of what it stopped gets through", quote(last)));
    line("");
    line("[[scenarios]]");
    line("name = \"adaptive attacker\"");
    line("attacker = { tries = 10, feedback = \"joint\" }  # or \"per-layer\"; transparent = [\"…\"] for layers seen from within");
    if t.layers().len() > 1 {
        line("");
        line("[[scenarios]]");
        line("name = \"contaminated training data\"");
        line(&format!(
            "common_failures = [{{ layers = [{}, {}], share = 0.05 }}]  # or with = {{ training_data = \"…\" }}",
            quote(first),
            quote(last)
        ));
        line("");
        line("[[scenarios]]");
        line("name = \"cascade\"");
        line(&format!("cascades = [{{ from = {}, to = {}, strength = 0.3 }}]", quote(first), quote(last)));
    }
    line("");
    line("# Claims: `coincide check` exits with 0 supported, 1 refuted, 3 undecidable.");
    line("[[claims]]");
    line("name = \"release\"");
    line("about = \"the whole defence is beaten by at most 1 attack in 100\"");
    line("bound = \"system<=0.01@0.95\"");
    line("defeaters = [\"attackers adapt to this defence\"]");
    line("");
    line("# [[claims]]");
    line("# name = \"release under attack\"");
    line("# bound = \"system<=0.05@0.95\"");
    line("# scenario = \"adaptive attacker\"");
    // What was written must be a study.
    StudyFile::parse(&output.to_string_lossy(), s.clone().into_bytes())?;
    write_text(output, &s)?;
    Ok(format!("{0}: a study of {1} layers. Next: coincide run {0}, or coincide check {0} --claim release", output.display(), t.layers().len()))
}
