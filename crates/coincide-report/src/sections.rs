//! The report's sections: each turns its part of the document into blocks. Nothing is computed here.

use crate::block::{Block, Table};
use crate::conclusions::conclusions;
use crate::format::{full, grouped, interval, number, p_value, percent, range, value};
use crate::models::{self, models};
use crate::{campaign, checked, claims, comparison, impact, lineage, modes, plan, risk, scenarios, select, thresholds};
use coincide::{
    Analysis, BoundMethod, Bounds, Causes, Comparison, Contribution, CurvePoint, DataSummary, Explained, FalseAlarms, Figure, GivenBaseline,
    IntervalMethod, Joint, LayerRate, OutcomesBasis, Pair, Priors, Section, Step, Together,
};
use coincide_io::{Assessment, Results};

/// The whole report.
pub fn blocks(r: &Results) -> Vec<Block> {
    concluded(r, all_blocks(r))
}

/// Under each section's title the sentence that says what to conclude. A section whose sentence stands in the answer already does not repeat it.
fn concluded(r: &Results, blocks: Vec<Block>) -> Vec<Block> {
    let said: Vec<String> = blocks.iter().filter_map(|b| if let Block::Answer(s) = b { Some(s.clone()) } else { None }).collect();
    let own = if r.conclusions.is_empty() { conclusions(r) } else { r.conclusions.clone() };
    let mut out = Vec::with_capacity(blocks.len() + own.len());
    for b in blocks {
        let sentence = if let Block::Heading { section, .. } = &b { own.get(*section).filter(|s| !said.contains(s)).cloned() } else { None };
        out.push(b);
        out.extend(sentence.map(Block::Conclusion));
    }
    out
}

fn all_blocks(r: &Results) -> Vec<Block> {
    let mut out: Vec<Block> =
        r.campaign_answer.iter().chain(&r.answer).chain(&r.fit_answer).chain(&r.assessment_answer).cloned().map(Block::Answer).collect();
    let x = &r.assessment;
    if let Some(c) = &x.comparison {
        comparison::comparison(&c.content, x.drift.as_ref().map(|d| &d.content), &mut out);
    }
    // Claims first: they are what somebody waits for.
    if let Some(c) = &x.claims {
        claims::claims(&c.content, &mut out);
    }
    if let Some(a) = &r.analysis {
        analysis(a, r, &mut out);
    }
    if let Some(p) = &x.pressure {
        scenarios::pressure(&p.content, &mut out);
    }
    if let Some(t) = &x.attempts {
        scenarios::attempts(&t.content, &mut out);
    }
    if let Some(f) = &r.fit {
        models(&f.content, &mut out);
    }
    if let Some(k) = &x.risk {
        risk::risk(&k.content, &mut out);
    }
    if let Some(s) = &x.selection {
        select::selection(&s.content, &mut out);
    }
    if let Some(t) = &x.thresholds {
        thresholds::thresholds(&t.content, &mut out);
    }
    if let Some(p) = &x.plan {
        plan::plan(&p.content, &mut out);
    }
    if let Some(s) = &x.scenarios {
        scenarios::scenarios(&s.content, &mut out);
    }
    if let Some(m) = &x.map {
        modes::map(&m.content, &mut out);
    }
    if let Some(m) = &x.modes {
        modes::modes(&m.content, &mut out);
    }
    if let Some(e) = &x.elicited {
        modes::elicited(&e.content, &mut out);
    }
    if let Some(f) = &x.feedback {
        modes::feedback(&f.content, &mut out);
    }
    if let Some(i) = &x.impact {
        impact::impact(&i.content, &mut out);
    }
    if let Some(c) = &r.campaign {
        campaign::campaign(&c.content, &mut out);
    }
    if let Some(f) = r.analysis.as_ref().and_then(|a| a.false_alarms.as_ref()) {
        false_alarms(&f.content, &mut out);
    }
    data(r, &mut out);
    out
}

/// What claims, scenarios, failure modes and scores say, in sentences.
pub fn assessment_answer(x: &Assessment) -> Vec<String> {
    let mut out = x.claims.as_ref().map(|c| claims::claims_answer(&c.content)).unwrap_or_default();
    out.extend(x.risk.iter().flat_map(|r| risk::risk_answer(&r.content)));
    out.extend(x.selection.iter().flat_map(|s| select::selection_answer(&s.content)));
    out.extend(x.comparison.iter().flat_map(|c| comparison::comparison_answer(&c.content, x.drift.as_ref().map(|d| &d.content))));
    out.extend(x.thresholds.iter().flat_map(|t| thresholds::thresholds_answer(&t.content)));
    out.extend(x.plan.iter().flat_map(|p| plan::plan_answer(&p.content)));
    out.extend(x.lineage.iter().flat_map(|l| lineage::lineage_answer(&l.content)));
    out.extend(x.scenarios.as_ref().and_then(|s| scenarios::worst_scenario(&s.content)));
    out.extend(x.pillars.iter().flat_map(|p| p.content.iter().map(scenarios::pillar_sentence)));
    out.extend(x.modes.iter().flat_map(|m| modes::modes_answer(&m.content)));
    out.extend(x.map.iter().flat_map(|m| modes::map_answer(&m.content)));
    out.extend(x.impact.iter().flat_map(|i| impact::impact_answer(&i.content)));
    out
}

/// What recorded outcomes say.
fn analysis(a: &Analysis, r: &Results, out: &mut Vec<Block>) {
    let x = &r.assessment;
    if let Some(c) = &x.checked {
        checked::checked(&c.content, out);
    }
    joint(&a.joint.content, out);
    if let Some(c) = &a.causes {
        explained(&c.content, &a.joint.content, out);
    }
    layers(&a.layers.content, out);
    // The risk has it among its laws.
    if let Some(s) = x.system.as_ref().filter(|_| x.risk.is_none()) {
        scenarios::system(&s.content, out);
    }
    if let Some(p) = &a.pipeline {
        pipeline(&p.content, out);
    }
    curve(&a.curve.content, a, out);
    contributions("worth", "What each layer adds to all the others", &a.contributions.content, out);
    if let Some(g) = &a.groups {
        contributions("groups", "What each group adds to all the others", &g.content, out);
    }
    if let Some(p) = &x.pillars {
        scenarios::pillars(&p.content, out);
    }
    if let Some(b) = &a.given_baseline {
        given_baseline(&b.content, out);
    }
    if let Some(p) = &a.pairs {
        pairs(&p.content, &a.data.content.layers, out);
    }
    if let Some(l) = &x.lineage {
        lineage::lineage(&l.content, out);
    }
    if let Some(t) = &a.together {
        together(&t.content, out);
    }
    if let Some(o) = r.what_if.as_ref().and_then(|w| w.content.outcomes.as_ref()) {
        patterns(o, out);
    }
    if let Some(c) = &a.causes {
        places(&c.content, out);
    }
    if let Some(b) = &a.bounds {
        bounds(&b.content, out);
    }
}

/// Claims alone, with what they rest on.
pub fn claim_blocks(r: &Results) -> Vec<Block> {
    alone(r, &r.assessment.claims, claims::claims_answer, claims::claims)
}

/// What is known about a structure, and about claims that came with it, for a document that has a risk: everything else is left out.
pub fn risk_blocks(r: &Results) -> Vec<Block> {
    let Some(k) = &r.assessment.risk else { return blocks(r) };
    let asked = || r.fit.iter().flat_map(|f| &f.content.claims);
    let mut out: Vec<Block> = risk::risk_answer(&k.content).into_iter().chain(asked().map(models::claim)).map(Block::Answer).collect();
    risk::risk(&k.content, &mut out);
    if let Some(f) = &r.fit {
        models::claims(&f.content, &mut out);
    }
    data(r, &mut out);
    concluded(r, out)
}

/// Which layers to choose, for a document that says so: everything else is left out.
pub fn select_blocks(r: &Results) -> Vec<Block> {
    alone(r, &r.assessment.selection, select::selection_answer, select::selection)
}

/// Thresholds, for a document that has some: everything else is left out.
pub fn threshold_blocks(r: &Results) -> Vec<Block> {
    alone(r, &r.assessment.thresholds, thresholds::thresholds_answer, thresholds::thresholds)
}

/// Where to test next, for a document that says so: everything else is left out.
pub fn next_test_blocks(r: &Results) -> Vec<Block> {
    alone(r, &r.assessment.plan, plan::plan_answer, plan::plan)
}

/// What changed, for a document that compares: everything else is left out.
pub fn comparison_blocks(r: &Results) -> Vec<Block> {
    let drift = r.assessment.drift.as_ref().map(|d| &d.content);
    let answer = |c: &Comparison| comparison::comparison_answer(c, drift);
    alone(r, &r.assessment.comparison, answer, |c, out| comparison::comparison(c, drift, out))
}

/// One section by itself, its answer first; the whole report where the document has none.
fn alone<T>(r: &Results, section: &Option<Section<T>>, answer: impl Fn(&T) -> Vec<String>, show: impl Fn(&T, &mut Vec<Block>)) -> Vec<Block> {
    let Some(s) = section else { return blocks(r) };
    let mut out: Vec<Block> = answer(&s.content).into_iter().map(Block::Answer).collect();
    show(&s.content, &mut out);
    data(r, &mut out);
    concluded(r, out)
}

/// What models say, for a document that has models: everything else is left out.
pub fn fit_blocks(r: &Results) -> Vec<Block> {
    let mut out: Vec<Block> = r.fit_answer.iter().cloned().map(Block::Answer).collect();
    if let Some(f) = &r.fit {
        models(&f.content, &mut out);
    }
    data(r, &mut out);
    concluded(r, out)
}

/// A title, and the name of the section whose conclusion stands under it; empty where it has none of its own.
pub(crate) fn heading(out: &mut Vec<Block>, section: &'static str, title: &str) {
    out.push(Block::Heading { section, title: title.to_owned() });
}

pub(crate) fn text(out: &mut Vec<Block>, t: impl Into<String>) {
    out.push(Block::Text(t.into()));
}

/// A layer's number and the beginning of its name, for narrow tables; the first table has the whole name.
fn short(number: usize, name: &str) -> String {
    const LETTERS: usize = 14;
    let begin: String = name.chars().take(LETTERS).collect();
    if name.chars().count() > LETTERS + 1 { format!("{number}\u{a0}{begin}…") } else { format!("{number}\u{a0}{name}") }
}

/// The beginning of a name that is longer than so many letters.
pub(crate) fn cut_short(name: &str, letters: usize) -> String {
    if name.chars().count() > letters { name.chars().take(letters - 1).chain(['…']).collect() } else { name.to_owned() }
}

/// Figures that a reader sees as "undefined" get their reasons below the table, each once.
pub(crate) fn reasons<'a>(out: &mut Vec<Block>, figures: impl Iterator<Item = &'a Figure>) {
    let mut list: Vec<&str> = figures.filter(|f| f.value.is_none()).filter_map(|f| f.undefined.as_deref()).collect();
    list.sort_unstable();
    list.dedup();
    match list.len() {
        0 => {}
        1..=3 => text(out, format!("Undefined: {}.", list.join("; "))),
        n => text(out, format!("Undefined, among {n} reasons: {}; the document has every one.", list[..3].join("; "))),
    }
}

fn layers(list: &[LayerRate], out: &mut Vec<Block>) {
    heading(out, "layers", "Each layer");
    let missing = list.iter().any(|l| !l.missing.is_empty());
    let mut titles = vec!["#", "layer", ">attacks", ">failed", ">failure rate", "interval"];
    if missing {
        titles.push("no outcome");
    }
    let mut t = Table::new(&titles);
    for (i, l) in list.iter().enumerate() {
        let mut row = vec![
            (i + 1).to_string(),
            l.layer.clone(),
            grouped(l.trials),
            grouped(l.failed),
            value(&l.rate, percent),
            interval(l.rate.interval, percent),
        ];
        if missing {
            row.push(l.missing.iter().map(|m| format!("{} {}", grouped(m.trials), m.reason)).collect::<Vec<_>>().join(", "));
        }
        t.row(row);
    }
    out.push(Block::Table(t));
}

fn joint(j: &Joint, out: &mut Vec<Block>) {
    heading(out, "gap", "All layers failing together");
    let mut t = Table::new(&["", ">value", "interval", "how"]);
    let mut row = |name: &str, f: &Figure, show: fn(f64) -> String| t.row(vec![name.into(), value(f, show), interval(f.interval, show), method(f)]);
    row("rate at which all fail (β)", &j.beta, percent);
    row("promised by independence (Πp)", &j.product, percent);
    row("independence gap (β/Πp)", &j.gap, number);
    row("log10 of the gap", &j.log10_gap, number);
    row("dependence efficiency (η)", &j.efficiency, number);
    row("effective layers", &j.effective_layers, number);
    if let Some(i) = j.beta_if_independent_trials {
        t.row(vec!["β if trials were independent".into(), value(&j.beta, percent), interval(Some(i), percent), "Clopper–Pearson".into()]);
    }
    out.push(Block::Table(t));
    let mut lines = vec![format!("{} of {} attacks beat every layer.", grouped(j.all_failed), grouped(j.trials))];
    for c in &j.clusters {
        lines.push(format!("They lie in {} of {} clusters of `{}`.", grouped(c.with_joint_failure), grouped(c.clusters), c.column));
    }
    if let Some(i) = j.gap.bca {
        lines.push(format!("Gap by the bias-corrected bootstrap: {}.", interval(Some(i), number)));
    }
    if let Some(r) = j.beta.identified.filter(|_| j.beta.value.is_some()) {
        lines.push(format!("Whatever the missing outcomes hold, β lies in {}.", range(r, percent)));
    }
    lines.push("Effective layers compare stacks only with themselves: they are in units of this stack's average layer.".into());
    text(out, lines.join(" "));
    reasons(out, [&j.beta, &j.product, &j.gap, &j.efficiency, &j.effective_layers].into_iter());
}

fn method(f: &Figure) -> String {
    f.interval.map_or_else(String::new, |i| method_name(i.method).to_owned())
}

fn method_name(m: IntervalMethod) -> &'static str {
    match m {
        IntervalMethod::ClopperPearson => "Clopper–Pearson",
        IntervalMethod::Jeffreys => "Jeffreys",
        IntervalMethod::KornGraubard => "Korn–Graubard",
        IntervalMethod::BootstrapPercentile => "bootstrap",
        IntervalMethod::Bca => "BCa bootstrap",
        IntervalMethod::Linearised => "linearised",
        IntervalMethod::OneSided => "one-sided",
        IntervalMethod::RecoveredLimits => "recovered limits",
        IntervalMethod::ProfileLikelihood => "profile likelihood",
        IntervalMethod::Posterior => "posterior",
        IntervalMethod::Refits => "refits",
        IntervalMethod::AnytimeValid => "anytime-valid",
        IntervalMethod::ImportanceSampling => "importance sampling",
        IntervalMethod::Lattice => "of the computation",
    }
}

fn pipeline(steps: &[Step], out: &mut Vec<Block>) {
    heading(out, "pipeline", "The pipeline, step by step");
    let mut t = Table::new(&["step", "layer", ">reached it", ">fails, given all before failed", "interval", ">all up to here fail"]);
    for (i, s) in steps.iter().enumerate() {
        t.row(vec![
            (i + 1).to_string(),
            s.layer.clone(),
            grouped(s.reached),
            value(&s.rate, percent),
            interval(s.rate.interval, percent),
            full(&s.prefix, percent),
        ]);
    }
    out.push(Block::Table(t));
}

fn curve(points: &[CurvePoint], a: &Analysis, out: &mut Vec<Block>) {
    heading(out, "curve", "Co-failure curve");
    let bounded = a.data.content.design.stops_early();
    let independent = if bounded { ">if independent, at most" } else { ">if independent" };
    let mut t = Table::new(&[">layers", ">all of them fail", "interval", independent, ">times"]);
    for p in points {
        let times = p.rate.value.filter(|_| p.independent > 0.0 && !bounded).map_or_else(|| "–".into(), |v| number(v / p.independent));
        t.row(vec![p.layers.to_string(), value(&p.rate, percent), interval(p.rate.interval, percent), percent(p.independent), times]);
    }
    out.push(Block::Table(t));
    text(
        out,
        "Mean over all sets of that many layers. Independent layers would follow the fourth column; a curve that flattens says that more of the same adds little.",
    );
}

fn contributions(section: &'static str, title: &str, list: &[Contribution], out: &mut Vec<Block>) {
    heading(out, section, title);
    let shapley = list.iter().any(|c| c.shapley.is_some());
    let mut titles = vec!["layer", ">others all fail", ">then it too", ">worth", "interval of worth"];
    if shapley {
        titles.push(">Shapley share");
    }
    let mut t = Table::new(&titles);
    for (i, c) in list.iter().enumerate() {
        let name = if c.members.is_empty() { c.name.clone() } else { format!("{} ({})", c.name, c.members.join(", ")) };
        let narrow = if c.members.is_empty() { short(i + 1, &c.name) } else { name.clone() };
        let mut row = vec![
            name,
            value(&c.beta_without, percent),
            value(&c.conditional, percent),
            value(&c.worth, number),
            c.worth.identified.map_or_else(|| interval(c.worth.interval, number), |r| range(r, number)),
        ];
        if shapley {
            row.push(c.shapley.as_ref().map_or_else(|| "–".into(), |s| value(s, number)));
        }
        t.row_or(row, narrow);
    }
    out.push(Block::Table(t));
    text(
        out,
        "Worth: 1 is what the layer's own failure rate promises, 0 is no benefit detected, above 1 the layer complements the others. It depends on the set: of two duplicates both score 0, so never drop two layers on two single worths. Shapley shares divide −ln β among the layers.",
    );
    reasons(out, list.iter().flat_map(|c| [&c.conditional, &c.worth]));
}

fn given_baseline(b: &GivenBaseline, out: &mut Vec<Block>) {
    heading(out, "baseline", &format!("Among attacks that beat `{}`", b.baseline));
    let mut t = Table::new(&["", ">value", "interval"]);
    let mut row = |name: String, f: &Figure, show: fn(f64) -> String| t.row(vec![name, value(f, show), interval(f.interval, show)]);
    row(format!("`{}` fails", b.baseline), &b.rate, percent);
    row("rate at which all layers fail then".into(), &b.joint.beta, percent);
    row("promised by independence".into(), &b.joint.product, percent);
    row("independence gap".into(), &b.joint.gap, number);
    row("effective layers".into(), &b.joint.effective_layers, number);
    row("ln gap over all attacks, nats".into(), &b.gap_nats, number);
    row(format!("of which `{}` explains, nats", b.baseline), &b.explained_nats, number);
    out.push(Block::Table(t));
    let mut t = Table::new(&["layer", ">fails", "interval", ">after all others did", ">worth", "interval of worth"]);
    for (i, (l, c)) in b.layers.iter().zip(&b.contributions).enumerate() {
        let row = vec![
            l.layer.clone(),
            value(&l.rate, percent),
            interval(l.rate.interval, percent),
            value(&c.conditional, percent),
            value(&c.worth, number),
            interval(c.worth.interval, number),
        ];
        t.row_or(row, short(i + 1, &l.layer));
    }
    out.push(Block::Table(t));
    text(
        out,
        "An attack that never works against the undefended system beats no layer: part of what looks like shared blindness is that. This part leaves it out.",
    );
}

/// Pairs shown; the document has all.
const PAIRS_SHOWN: usize = 30;

fn pairs(list: &[Pair], names: &[String], out: &mut Vec<Block>) {
    heading(out, "pairs", "Pairs of layers");
    let stratified = list.iter().any(|p| p.stratified_odds_ratio.is_some());
    let bounded = list.iter().any(|p| p.phi.value.is_none() && p.phi.identified.is_some());
    let mut titles = vec!["pair", ">both fail", ">lift", ">φ/φmax", ">tetra- choric", ">odds ratio (interval)"];
    if stratified {
        titles.push(">in strata (interval)");
    }
    titles.push(">p adj.");
    let mut t = Table::new(&titles);
    let mut shown: Vec<&Pair> =
        list.iter().filter(|p| p.phi.value.is_some() || bounded || p.lift.value.is_some() && list.len() <= PAIRS_SHOWN).collect();
    let strength = |p: &Pair| p.phi_relative.value.map_or(-1.0, f64::abs);
    if shown.len() > PAIRS_SHOWN {
        shown.sort_by(|a, b| strength(b).total_cmp(&strength(a)));
    }
    let undefined = list.iter().filter(|p| p.phi.value.is_none() && p.phi.identified.is_none()).count();
    let key = |n: &str| names.iter().position(|x| x == n).map_or(0, |i| i + 1);
    for p in shown.iter().take(PAIRS_SHOWN) {
        let corrected = if p.half_added { "*" } else { "" };
        let row = |name: String, odds: String, within: Option<String>| {
            let mut row =
                vec![name, value(&p.p_both, percent), value(&p.lift, number), value(&p.phi_relative, number), value(&p.tetrachoric, number), odds];
            row.extend(within);
            row.push(p_value(p.p_adjusted));
            row
        };
        let within = |f: fn(&Figure) -> String| stratified.then(|| p.stratified_odds_ratio.as_ref().map_or_else(|| "–".into(), f));
        let odds = full(&p.odds_ratio, number) + corrected;
        t.rows.push(row(format!("{} × {}", p.a, p.b), odds, within(|f| full(f, number))));
        t.narrow.push(row(format!("{} × {}", key(&p.a), key(&p.b)), value(&p.odds_ratio, number) + corrected, within(|f| value(f, number))));
    }
    if !t.rows.is_empty() {
        out.push(Block::Table(t));
    }
    let mut notes = Vec::new();
    if shown.len() > PAIRS_SHOWN {
        notes.push(format!("The {PAIRS_SHOWN} strongest of {} pairs; the document has all.", shown.len()));
    }
    if undefined > 0 {
        let why: std::collections::BTreeSet<&str> =
            list.iter().filter(|p| p.phi.value.is_none()).filter_map(|p| p.phi.undefined.as_deref()).collect();
        let first: Vec<&str> = why.iter().take(2).copied().collect();
        notes.push(format!("φ is undefined for {undefined} pairs (for example: {}).", first.join("; ")));
    }
    if list.iter().any(|p| p.half_added) {
        notes.push("* ½ added to each cell because one was empty.".into());
    }
    notes.push("Lift: how many times likelier both fail than if independent. φ/φmax: correlation over the largest these rates allow. p adj.: against independence, Benjamini–Hochberg over all tests here.".into());
    text(out, notes.join(" "));
}

fn together(t: &Together, out: &mut Vec<Block>) {
    heading(out, "together", "All layers at once");
    let mut table = Table::new(&["", ">value", "interval"]);
    let mut row = |name: &str, f: &Figure| table.row(vec![name.into(), value(f, number), interval(f.interval, number)]);
    row("variance ratio (1 if independent)", &t.variance_ratio);
    row("total correlation, nats", &t.total_correlation);
    row("total correlation beyond chance, nats", &t.total_correlation_corrected);
    let k = &t.knight_leveson;
    table.row(vec!["attacks that beat two or more".into(), grouped(k.at_least_two), format!("{} if independent", number(k.expected))]);
    table.row(vec!["their share beyond independence".into(), value(&k.excess, percent), interval(k.excess.interval, percent)]);
    if let Some(z) = k.z {
        table.row(vec!["Knight–Leveson z".into(), number(z), String::new()]);
    }
    out.push(Block::Table(table));
    reasons(out, [&t.variance_ratio, &t.total_correlation_corrected].into_iter());
}

/// Strata shown; the document has all.
const PLACES_SHOWN: usize = 20;

fn explained(c: &Causes, joint: &Joint, out: &mut Vec<Block>) {
    heading(out, "", "How much of the gap the strata explain");
    let mut t = Table::new(&["columns", ">strata", ">explained", "interval", ">plugged in", ">by chance", ">left over"]);
    let mut row = |label: String, e: &Explained| {
        let best = e.best();
        t.row(vec![
            label,
            e.strata.to_string(),
            value(best, number),
            interval(best.interval, number),
            value(&e.plug_in, number),
            e.permutation_baseline.map_or_else(|| "–".into(), number),
            value(&e.residual, number),
        ]);
    };
    row(c.together.columns.join(" + "), &c.together);
    c.alone.iter().for_each(|e| row(format!("{} alone", e.columns.join(" + ")), e));
    c.in_order.iter().for_each(|e| row(format!("in order: {}", e.columns.join(", then ")), e));
    out.push(Block::Table(t));
    let gap = joint.gap.value.map_or_else(String::new, |g| format!("The whole gap is {} nats. ", number(g.ln())));
    text(
        out,
        format!(
            "{gap}Explained, also in nats, is what independence within strata would already give, without the bias of the plugged-in value; what is left over is dependence inside the strata. Parts may be negative and do not add up over columns."
        ),
    );
    reasons(out, std::iter::once(&c.together.plug_in).chain([&c.together.residual]));
}

fn places(c: &Causes, out: &mut Vec<Block>) {
    heading(out, "places", "Where joint failures sit");
    let mut t = Table::new(&["stratum", ">share of attacks", ">of joint failures", "interval", ">β here", ">gap here", ">p adj."]);
    for p in c.places.iter().take(PLACES_SHOWN) {
        t.row(vec![
            format!("{}={}", p.column, p.level),
            percent(p.share_of_trials),
            value(&p.share_of_joint_failures, percent),
            interval(p.share_of_joint_failures.interval, percent),
            bounded(&p.beta),
            value(&p.gap, number),
            p_value(p.p_adjusted),
        ]);
    }
    out.push(Block::Table(t));
    if c.places.len() > PLACES_SHOWN {
        text(out, format!("The first {PLACES_SHOWN} of {} strata, most over-represented first; the document has all.", c.places.len()));
    }
    reasons(out, c.places.iter().map(|p| &p.gap));
}

/// Sets of layers shown; the page has all.
const PATTERNS_SHOWN: usize = 12;

fn patterns(o: &OutcomesBasis, out: &mut Vec<Block>) {
    let counts = o.pattern_counts();
    let total: f64 = counts.iter().map(|c| c.1).sum();
    let joint: Vec<&(Vec<bool>, f64)> = counts.iter().filter(|c| c.0.iter().filter(|f| **f).count() >= 2).collect();
    if joint.is_empty() {
        return;
    }
    heading(out, "patterns", "Which layers fail together");
    let mut t = Table::new(&["layers that failed, and no other", ">attacks", ">share"]);
    for (failed, n) in joint.iter().take(PATTERNS_SHOWN) {
        let members: Vec<&str> = o.layers.iter().zip(failed).filter(|l| *l.1).map(|l| l.0.layer.as_str()).collect();
        let set = if members.len() == o.layers.len() { "all layers".to_owned() } else { members.join(", ") };
        t.row(vec![set, grouped(*n), percent(n / total)]);
    }
    out.push(Block::Table(t));
    if joint.len() > PATTERNS_SHOWN {
        text(out, format!("The {PATTERNS_SHOWN} most frequent of {} sets of two or more layers.", grouped(joint.len() as f64)));
    }
}

/// A rate, or its upper bound where nothing was seen.
pub(crate) fn bounded(f: &Figure) -> String {
    match (f.value, f.interval.and_then(|i| i.high)) {
        (Some(0.0), Some(h)) => format!("≤ {}", percent(h)),
        _ => value(f, percent),
    }
}

fn bounds(b: &Bounds, out: &mut Vec<Block>) {
    heading(out, "bounds", "What pairs alone leave open");
    let mut t = Table::new(&["β as far as it follows from", "range"]);
    t.row(vec!["each layer's rate".into(), range(b.marginals, percent)]);
    if let Some(p) = b.pairs {
        let how =
            if b.method == BoundMethod::LinearProgramme { "each layer's and each pair's rate" } else { "the sums of rates and pair rates (looser)" };
        t.row(vec![how.into(), range(p, percent)]);
    }
    if let Some(p) = b.pairs_with_sampling_error {
        t.row(vec!["the same, within their simultaneous intervals".into(), range(p, percent)]);
    }
    out.push(Block::Table(t));
    text(
        out,
        "Anything in these ranges fits the rates. If your only evidence is layers or pairs measured apart, this is all it says about the whole.",
    );
}

fn false_alarms(f: &FalseAlarms, out: &mut Vec<Block>) {
    heading(out, "alarms", "False alarms on benign traffic");
    let mut t = Table::new(&["layer", ">benign trials", ">stopped", "interval"]);
    for l in &f.layers {
        t.row(vec![l.layer.clone(), grouped(l.trials), value(&l.rate, percent), interval(l.rate.interval, percent)]);
    }
    t.row(vec!["any layer".into(), grouped(f.trials), value(&f.any, percent), interval(f.any.interval, percent)]);
    t.row(vec!["any, if independent".into(), String::new(), value(&f.independent, percent), String::new()]);
    out.push(Block::Table(t));
}

fn data(r: &Results, out: &mut Vec<Block>) {
    heading(out, "data", "What was read, and how to compute it again");
    if let Some(a) = &r.analysis {
        counted(&a.data.content, out);
    }
    for n in &r.notes {
        text(out, format!("{}{}.", n[..1].to_uppercase(), &n[1..]));
    }
    let p = &r.provenance;
    for i in &p.inputs {
        text(out, format!("`{}`: {} bytes, SHA-256 {}", i.path, grouped(i.bytes as f64), i.sha256));
    }
    if r.campaign.is_some() && r.analysis.is_none() {
        text(out, format!("coincide {}. This is the record of a run; `coincide analyze` on its outcomes can be verified.", r.coincide));
        return;
    }
    let replicates = if r.analysis.is_some() { format!("{} bootstrap replicates, ", grouped(p.analyze.replicates as f64)) } else { String::new() };
    let draws = p.fit.as_ref().filter(|f| r.fit.is_some() && f.priors == Priors::Weak);
    let draws = draws.map_or_else(String::new, |f| format!("{} posterior draws a model, ", grouped(f.draws as f64)));
    text(
        out,
        format!(
            "coincide {}, seed {}, {replicates}{draws}{} intervals. `coincide verify` computes a results document again.",
            r.coincide,
            p.analyze.seed.0,
            percent(p.analyze.level)
        ),
    );
}

/// What the table of outcomes holds.
fn counted(d: &DataSummary, out: &mut Vec<Block>) {
    let mut lines = vec![format!(
        "{} attacks{} in {} distinct rows; {} layers.",
        grouped(d.attack_trials),
        if d.benign_trials > 0.0 { format!(" and {} benign trials", grouped(d.benign_trials)) } else { String::new() },
        grouped(d.cells as f64),
        d.layers.len()
    )];
    if d.adaptive_trials > 0.0 {
        lines.push(format!(
            "{} trials of an adaptive search are in no rate: they were chosen because of what the layers had said.",
            grouped(d.adaptive_trials)
        ));
    }
    if d.weighted {
        lines.push("Trials are weighted.".into());
    }
    for c in &d.strata {
        lines.push(format!("Stratum `{}` has {} levels.", c.column, c.levels));
    }
    for c in &d.clusters {
        lines.push(format!("`{}` groups trials into {} clusters.", c.column, grouped(c.levels as f64)));
    }
    text(out, lines.join(" "));
}
