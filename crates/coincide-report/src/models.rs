//! The sections about models: which reproduce what was seen, what each says, how it was found, and what claims they support.

use crate::block::{Block, Table};
use crate::format::{ends, grouped, interval, number, one_in, p_value, percent, range};
use crate::sections::{bounded, heading, reasons, text};
use coincide::{Estimate, Fit, FittedModel, Source, Support, Verdict};

/// The answer of models in a few sentences.
pub fn fit_answer(f: &Fit) -> Vec<String> {
    let mut out = vec![whose_word(f)];
    out.extend(best(f));
    out.extend(tails(f));
    out.extend(f.claims.iter().map(claim));
    if let Some(why) = &f.not_identified {
        out.push(format!("{}{}.", why[..1].to_uppercase(), &why[1..]));
    }
    let ratios: Vec<f64> =
        f.models.iter().filter_map(|m| m.refits.as_ref()).filter(|r| r.warning).map(|r| r.width_ratio.unwrap_or(f64::INFINITY)).collect();
    let (widest, narrowest) = ratios.iter().fold((0.0f64, f64::INFINITY), |(w, n), r| (w.max(*r), n.min(*r)));
    if widest > 1.0 {
        let by = if widest.is_finite() { format!("up to {} times as wide on a logarithmic scale", number(widest)) } else { "open at an end".into() };
        out.push(format!(
            "Posterior intervals take trials to be independent; inside clusters of `{}` they are not. Refits to clusters drawn again give intervals {by}: read those.",
            f.unit
        ));
    }
    if narrowest < 1.0 {
        out.push("Some refits to clusters drawn again give narrower intervals than the posterior, because no draw holds failures that were never seen: read the wider ones.".into());
    }
    out
}

fn free(f: &Fit) -> String {
    match f.assumption_free.interval {
        Some(i) => format!("without any model the data allow {}", ends(i.low.filter(|l| *l > 0.0), i.high, one_in)),
        None => "without any model the data give no interval".into(),
    }
}

/// Whether the answer is the data's or the model's.
fn whose_word(f: &Fit) -> String {
    let seen = format!("{} {}", grouped(f.units_with_joint_failure), units(&f.unit, f.units_with_joint_failure));
    let span = match &f.spread {
        Some(s) if s.low_model == s.high_model => format!("the one model that holds up says {} (`{}`)", one_in(s.high), s.high_model),
        Some(s) => format!("the models that hold up say {} (`{}`) to {} (`{}`)", one_in(s.low), s.low_model, one_in(s.high), s.high_model),
        None if f.models.iter().all(|m| m.search.is_none()) => "no model was fitted".into(),
        None if f.models.iter().any(too_few_draws) => "no model has drawn enough to say more (ask for more with --draws)".into(),
        None => "no model holds up (see below)".into(),
    };
    match f.source {
        Source::Data => format!("The rate at which all layers fail is the data's word: {seen} hold a joint failure; {span}, and {}.", free(f)),
        Source::FewFailures => {
            format!("The rate at which all layers fail is half the model's word, for only {seen} hold a joint failure: {span}, and {}.", free(f))
        }
        Source::Model => {
            let most = f.assumption_free.interval.and_then(|i| i.high).map_or_else(String::new, |h| format!(" below {}", one_in(h)));
            format!("The rate at which all layers fail is the model's word alone{most}, for no joint failure was seen: {span}.")
        }
    }
}

/// Everything holds up but the chains.
fn too_few_draws(m: &FittedModel) -> bool {
    m.tail.as_ref().is_some_and(|t| t.reproduced) && m.search.as_ref().is_some_and(|s| s.converged) && m.chains.as_ref().is_some_and(|c| !c.mixed)
}

/// "27 clusters of `goal`", without the number.
fn units(unit: &str, many: f64) -> String {
    let one = (many - 1.0).abs() < 1e-9;
    match (unit, one) {
        ("trial", true) => "trial".into(),
        ("trial", false) => "trials".into(),
        (column, true) => format!("cluster of `{column}`"),
        (column, false) => format!("clusters of `{column}`"),
    }
}

fn best(f: &Fit) -> Option<String> {
    let name = f.best.as_ref()?;
    let m = f.models.iter().find(|m| m.model == *name)?;
    let rate = m.beta.value.map(one_in)?;
    let average = f
        .stacked
        .as_ref()
        .and_then(|s| s.value)
        .map_or_else(String::new, |v| format!("; all models averaged by how well they predict say {}", one_in(v)));
    Some(format!("Of those, `{name}` predicts unseen {} best: {} ({}){average}.", units(&f.unit, 2.0), rate, interval(m.beta.interval, one_in)))
}

fn tails(f: &Fit) -> Option<String> {
    let wrong: Vec<&FittedModel> = f.models.iter().filter(|m| m.tail.as_ref().is_some_and(|t| !t.reproduced)).collect();
    let first = wrong.first()?;
    let tail = first.tail.as_ref()?;
    let names: Vec<String> = wrong.iter().map(|m| format!("`{}`", m.model)).collect();
    let (verb, such) = if wrong.len() == 1 { ("does", "it expects") } else { ("do", "the first expects") };
    Some(format!(
        "Tail not reproduced: {} {verb} not give the joint failures that were seen ({such} {} where {} were seen); do not use {}.",
        names.join(", "),
        number(tail.predicted),
        number(tail.observed),
        if wrong.len() == 1 { "it" } else { "them" }
    ))
}

pub(crate) fn claim(s: &Support) -> String {
    let c = percent(s.claim.confidence);
    let about =
        if s.claim.layers.is_empty() { "all layers fail together".to_owned() } else { format!("{} fail together", s.claim.layers.join(", ")) };
    let bound = one_in(s.claim.at_most);
    match s.verdict {
        Verdict::Supported => format!("Supported at {c}: {about} on at most {bound} attacks."),
        Verdict::Refuted => format!("Refuted at {c}: {about} on more than {bound} attacks."),
        Verdict::Undecidable => {
            let needed = if s.with_failure > 0.0 {
                let needed = s.needed_without_failure.unwrap_or(f64::INFINITY);
                format!("a failure was seen; without one, {} {} would have supported it", grouped(needed), units(&s.unit, needed))
            } else {
                let needed = s.needed_without_failure.unwrap_or(f64::INFINITY);
                format!("it needs {} {} without a failure, and there are {}", grouped(needed), units(&s.unit, needed), grouped(s.units))
            };
            format!("Undecidable at {c} that {about} on at most {bound} attacks: {needed}.")
        }
    }
}

/// Everything about models.
pub(crate) fn models(f: &Fit, out: &mut Vec<Block>) {
    overview(f, out);
    claims(f, out);
    if let Some(m) = shown(f) {
        says(m, out);
        worst_checks(m, out);
    }
    found(f, out);
}

/// The model whose numbers are shown: the best that holds up, or that predicts best, or the first that was fitted.
fn shown(f: &Fit) -> Option<&FittedModel> {
    let named = f.best.as_ref().and_then(|b| f.models.iter().find(|m| m.model == *b));
    let first = || f.models.iter().find(|m| m.held_out.as_ref().is_some_and(|h| h.rank == 1));
    named.or_else(first).or_else(|| f.models.iter().find(|m| m.search.is_some()))
}

fn overview(f: &Fit, out: &mut Vec<Block>) {
    heading(out, "models", "Models of joint failure");
    let refits = f.models.iter().any(|m| m.refits.is_some());
    let mut titles = vec!["model", "tail", ">β", "interval"];
    if refits {
        titles.push("refits to clusters");
    }
    let mut t = Table::new(&titles);
    let mut row = |name: &str, tail: &str, beta: &coincide::Figure, again: Option<coincide::Interval>| {
        let mut cells = vec![name.to_owned(), tail.to_owned(), bounded(beta), interval(beta.interval, percent)];
        if refits {
            cells.push(interval(again, percent));
        }
        // On a narrow terminal intervals may break.
        t.narrow.push(cells.iter().map(|c| c.replace('\u{a0}', " ")).collect());
        t.row(cells);
    };
    row("no model", "–", &f.assumption_free, None);
    for m in &f.models {
        let tail = match (&m.failed, &m.tail) {
            (Some(_), _) => "not fitted",
            (_, Some(t)) if !t.reproduced => "NOT reproduced",
            (_, Some(_)) if !m.admissible => "reproduced, see below",
            _ => "reproduced",
        };
        row(&m.model, tail, &m.beta, m.refits.as_ref().map(|r| r.beta));
    }
    if let Some(s) = &f.stacked {
        row("average by weight", "–", s, None);
    }
    out.push(Block::Table(t));
    text(out, "Tail: does the model give as many joint failures as were seen? One that does not is no basis for any rate.");
    for m in f.models.iter().filter(|m| m.failed.is_some()) {
        text(out, format!("`{}` was not fitted: {}.", m.model, m.failed.as_deref().unwrap_or_default()));
    }
    scores(f, out);
}

/// Weights below one in two thousand are nothing.
fn share(w: f64) -> String {
    if w < 5e-4 { "0%".into() } else { percent(w) }
}

fn scores(f: &Fit, out: &mut Vec<Block>) {
    let scored: Vec<&FittedModel> = f.models.iter().filter(|m| m.held_out.is_some()).collect();
    if scored.len() > 1 {
        heading(out, "", &format!("How well they predict {} they have not seen", units(&f.unit, 2.0)));
        let mut t = Table::new(&["model", ">behind best", ">±", ">weight", ">leave-one-out", ">Pareto k"]);
        for m in scored {
            let Some(h) = &m.held_out else { continue };
            t.row(vec![
                m.model.clone(),
                if h.rank == 1 { "best".into() } else { number(h.behind) },
                if h.rank == 1 { "–".into() } else { number(h.behind_error) },
                m.weight.map_or_else(|| "–".into(), share),
                m.psis.as_ref().map_or_else(|| "–".into(), |p| format!("{:.1}", p.elpd)),
                m.psis.as_ref().map_or_else(|| "–".into(), |p| number(p.largest_k)),
            ]);
        }
        out.push(Block::Table(t));
        text(
            out,
            format!(
                "Behind best, in nats: how much worse a model predicts what was left out in {} folds; twice its error is a real difference. Weight: its share in the mixture of models that predicts best. Leave-one-out is computed from the posterior; where Pareto k is above 0.7 trust the folds.",
                f.folds
            ),
        );
    }
    let unscored: Vec<String> =
        f.models.iter().filter_map(|m| m.no_score.as_ref().map(|w| format!("`{}` has no held-out score: {w}.", m.model))).collect();
    if !unscored.is_empty() {
        text(out, unscored.join(" "));
    }
}

/// Parameters shown; the document has all.
const PARAMETERS_SHOWN: usize = 24;

fn says(m: &FittedModel, out: &mut Vec<Block>) {
    heading(out, "", &format!("What `{}` says", m.model));
    let ranges = m.estimates.iter().any(|e| e.figure.identified.is_some());
    let mut titles = vec!["", ">value", "interval"];
    if ranges {
        titles.extend(["the data alone allow", "standing"]);
    }
    let mut t = Table::new(&titles);
    let show = |e: &Estimate| -> fn(f64) -> String {
        let parameter = ["loading", "degrees", "independence gap", "effective"].iter().any(|w| e.what.contains(w));
        if parameter { number } else { percent }
    };
    let mut row = |what: &str, figure: &coincide::Figure, standing: &str, show: fn(f64) -> String| {
        let mut cells = vec![what.to_owned(), figure.value.map_or_else(|| "undefined".into(), show), interval(figure.interval, show)];
        if ranges {
            cells.push(figure.identified.map_or_else(|| "–".into(), |r| range(r, show)));
            cells.push(standing.to_owned());
        }
        t.row(cells);
    };
    let standing_of = |assumption: bool| if assumption { "ASSUMPTION" } else { "estimate" };
    row("rate at which all fail (β)", &m.beta, standing_of(false), percent);
    for e in &m.estimates {
        row(&e.what, &e.figure, standing_of(e.assumption), show(e));
    }
    let own: Vec<&Estimate> =
        m.parameters.iter().filter(|e| !e.what.starts_with("rate of ") || e.what.contains(" in class ") || e.what.ends_with("mode")).collect();
    for e in own.iter().take(PARAMETERS_SHOWN) {
        row(&e.what, &e.figure, standing_of(e.assumption), show(e));
    }
    out.push(Block::Table(t));
    let more = if own.len() > PARAMETERS_SHOWN {
        format!(" The first {PARAMETERS_SHOWN} of {} parameters; the document has all.", own.len())
    } else {
        String::new()
    };
    let where_ = if m.model.starts_with("stratified(") { ", within each stratum" } else { "" };
    text(out, format!("It assumes that {}{where_}.{more}", m.assumes));
    reasons(out, m.estimates.iter().map(|e| &e.figure));
    if m.estimates.iter().any(|e| e.assumption) {
        text(
            out,
            "ASSUMPTION: the data cannot test this value; it follows from the model's form. The interval beside it is the model's, the range is what the data leave open.",
        );
    }
}

/// Checks shown of the best model.
const CHECKS_SHOWN: usize = 5;

fn worst_checks(m: &FittedModel, out: &mut Vec<Block>) {
    let mut list: Vec<_> = m.checks.iter().collect();
    if list.is_empty() {
        return;
    }
    list.sort_by(|a, b| a.p_value.total_cmp(&b.p_value));
    heading(out, "", &format!("Where `{}` fits worst", m.model));
    let mut t = Table::new(&["", ">seen", ">predicted", ">p"]);
    for c in list.iter().take(CHECKS_SHOWN) {
        t.row(vec![c.what.clone(), percent(c.observed), percent(c.predicted), p_value(Some(c.p_value))]);
    }
    out.push(Block::Table(t));
    text(
        out,
        format!(
            "The {} of {} predictive checks with the smallest p; the document has all. Among so many, p near 0.01 is nothing strange.",
            list.len().min(CHECKS_SHOWN),
            list.len()
        ),
    );
}

fn found(f: &Fit, out: &mut Vec<Block>) {
    let list: Vec<&FittedModel> = f.models.iter().filter(|m| m.search.is_some()).collect();
    if list.is_empty() {
        return;
    }
    heading(out, "", "How the models were found");
    let mut t = Table::new(&["model", ">free", ">ln likelihood", "search", ">starts", ">nodes"]);
    for m in &list {
        let Some(s) = &m.search else { continue };
        let search = if s.converged { "converged" } else { "NOT converged" };
        let starts = format!("{}/{}", s.agreeing, s.starts);
        t.row(vec![m.model.clone(), s.parameters.to_string(), format!("{:.3}", s.ln_likelihood), search.into(), starts, s.nodes.to_string()]);
    }
    out.push(Block::Table(t));
    if list.iter().any(|m| m.chains.is_some()) {
        let mut t = Table::new(&["model", "chains", ">R-hat", ">draws' worth", ">divergent", ">E-BFMI"]);
        for m in &list {
            let Some(c) = &m.chains else { continue };
            t.row(vec![
                m.model.clone(),
                if c.mixed { "mixed".into() } else { "NOT mixed".into() },
                format!("{:.3}", c.r_hat),
                grouped(c.ess_bulk.min(c.ess_tail).round()),
                c.divergences.to_string(),
                number(c.e_bfmi),
            ]);
        }
        out.push(Block::Table(t));
    }
    let change = list.iter().filter_map(|m| m.search.as_ref()).map(|s| s.change_when_doubled.abs()).fold(0.0, f64::max);
    text(
        out,
        format!(
            "Starts: how many of the seeded searches ended at the best place. Nodes: of the sums over hidden difficulties; with half their spacing no ln likelihood changes by more than {}. Draws' worth: the least effective number of draws for the rate of failing together, the layers' rates and their pairs.",
            number(change)
        ),
    );
    for m in &list {
        let Some(s) = &m.search else { continue };
        if !s.edges.is_empty() {
            text(out, format!("`{}` lies on the edge of what it can say: {}.", m.model, s.edges.join("; ")));
        }
        if !s.classes_tried.is_empty() {
            let tried: Vec<String> = s.classes_tried.iter().map(|(c, score)| format!("{c}: {score:.1}")).collect();
            text(out, format!("`{}`: held-out score by number of classes {}.", m.model, tried.join(", ")));
        }
        if m.chains.as_ref().is_some_and(|c| !c.mixed) {
            text(
                out,
                format!(
                    "`{}`: the chains have not mixed (R-hat below 1.01 and at least 400 draws' worth are wanted); ask for more with --draws.",
                    m.model
                ),
            );
        }
    }
}

pub(crate) fn claims(f: &Fit, out: &mut Vec<Block>) {
    if f.claims.is_empty() {
        return;
    }
    heading(out, "", "Claims, beside what models say");
    let mut t = Table::new(&["claim", "without a model", "one-sided limits", ">tests", ">needed without failure", "holds however often one looks"]);
    for s in &f.claims {
        let verdict = match s.verdict {
            Verdict::Supported => "supported",
            Verdict::Refuted => "refuted",
            Verdict::Undecidable => "undecidable",
        };
        t.row(vec![
            s.claim.text(),
            verdict.into(),
            interval(Some(s.limits), percent),
            grouped(s.units),
            s.needed_without_failure.map_or_else(|| "–".into(), grouped),
            interval(s.sequence, percent),
        ]);
    }
    out.push(Block::Table(t));
    for s in &f.claims {
        if let Some(strict) = s.strict_limit.filter(|l| s.verdict == Verdict::Supported && *l > s.claim.at_most) {
            let few = "few clusters bear the failures";
            text(
                out,
                format!(
                    "FLAGGED: {few}; by the limit that no further failure can lower, {}, {} would be undecidable.",
                    percent(strict),
                    s.claim.text()
                ),
            );
        }
        if !s.models.is_empty() {
            let one = |m: &coincide::ModelSupport| {
                format!(
                    "{} {}{}",
                    m.model,
                    percent(m.probability),
                    match (m.admissible, m.assumption) {
                        (false, _) => " (does not hold up)",
                        (true, true) => " (ASSUMPTION)",
                        (true, false) => "",
                    }
                )
            };
            text(out, format!("P({}) by model: {}.", s.claim.text(), s.models.iter().map(one).collect::<Vec<_>>().join(", ")));
        }
        for b in &s.conservative_bayes {
            let result = match (b.confidence, &b.why) {
                (Some(c), None) => format!("at least {}", percent(c)),
                (Some(c), Some(why)) => format!("{} ({why})", percent(c)),
                (None, why) => format!("nothing ({})", why.as_deref().unwrap_or_default()),
            };
            text(out, format!("From prior confidence {}, after these tests the claim {} keeps {result}.", b.prior.text(), s.claim.text()));
        }
    }
    if f.claims.iter().any(|s| s.unit != "trial") {
        text(
            out,
            "Tests are clusters, unequal ones counted as fewer equal ones; what holds however often one looks is the share of clusters with a joint failure, which bounds β from above where clusters are of one size, and is left out elsewhere.",
        );
    }
}
