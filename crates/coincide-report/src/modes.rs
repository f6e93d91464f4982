//! Sections about failure modes: the map, its numbers, portfolios, what to build next, audits.

use crate::block::{Block, Table};
use crate::format::{ends, factor, grouped, interval, number, one_in, percent, value};
use crate::sections::{heading, reasons, text};
use coincide::{AuditAnswer, BeliefRow, Candidate, Distribution, MapReport, ModeReport, PortfolioRisk, Vulnerability};
use coincide_io::{Elicitation, Feedback};

/// Rows shown of long lists; the document has all.
const SHOWN: usize = 12;
/// Letters of a failure mode that is a column's title; longer ones are numbered.
const LONGEST_MODE: usize = 10;

/// What the map says, in sentences.
pub(crate) fn map_answer(r: &MapReport) -> Vec<String> {
    let mut out = Vec::new();
    let k = r.map.techniques().len();
    let pairs: Vec<&[String]> = r.disjoint_if_vulnerable.iter().filter(|s| s.techniques.len() == 2).map(|s| s.techniques.as_slice()).collect();
    let both = |p: &[String]| p.join(" and ");
    out.push(match pairs.as_slice() {
        [] => format!("No two of the {k} techniques are free of a shared failure mode when uncertain verdicts are read as vulnerable."),
        [one] => format!(
            "Of {k} techniques only {} share no failure mode however uncertain verdicts are read: every other pair shares one, or may.",
            both(one)
        ),
        many => {
            let some = many.iter().take(4).map(|p| both(p)).collect::<Vec<_>>().join("; ");
            format!(
                "{} pairs of {k} techniques share no failure mode however uncertain verdicts are read: {some}{}.",
                many.len(),
                if many.len() > 4 { "; …" } else { "" }
            )
        }
    });
    if let Some(m) = r.reach.first().filter(|m| !m.defeats.is_empty()) {
        let spared: Vec<&str> =
            r.map.techniques().iter().map(|t| t.name.as_str()).filter(|t| !m.defeats.iter().chain(&m.perhaps).any(|d| d == t)).collect();
        let but = if spared.is_empty() || spared.len() > 3 { String::new() } else { format!(", all but {}", spared.join(", ")) };
        out.push(format!("The failure mode that defeats most is {}: {} of {k}{but}.", m.mode, m.defeats.len()));
    }
    out
}

pub(crate) fn map(r: &MapReport, out: &mut Vec<Block>) {
    let m = &r.map;
    heading(out, "map", "The map: which failure mode defeats which technique");
    let mut titles = vec!["technique".to_owned()];
    let long = |name: &str| name.chars().count() > LONGEST_MODE;
    titles.extend(m.modes().iter().enumerate().map(|(j, name)| if long(name) { format!("({})", j + 1) } else { name.clone() }));
    let mut t = Table::new(&titles.iter().map(String::as_str).collect::<Vec<_>>());
    for (i, technique) in m.techniques().iter().enumerate() {
        let mut row = vec![technique.name.clone()];
        row.extend((0..m.modes().len()).map(|j| {
            let word = match m.verdict(i, j) {
                Vulnerability::Vulnerable => "yes",
                Vulnerability::NotVulnerable => "–",
                Vulnerability::Uncertain => "?",
            };
            let thin = m.cell(i, j).and_then(|c| c.support.as_deref()).is_some_and(|s| s == "single_source");
            if thin && word == "yes" { "yes*".to_owned() } else { word.to_owned() }
        }));
        t.row(row);
    }
    out.push(Block::Table(t));
    let [yes, no, unsure] = r.counts;
    let numbered: Vec<String> = m.modes().iter().enumerate().filter(|(_, n)| long(n)).map(|(j, n)| format!(" ({}): {n}.", j + 1)).collect();
    text(
        out,
        format!(
            "yes: the mode defeats the technique ({yes} cells; * by one source only). –: it does not ({no}). ?: uncertain ({unsure}).{}",
            numbered.concat()
        ),
    );
    let mut sources: Vec<&str> =
        (0..m.techniques().len()).flat_map(|i| (0..m.modes().len()).filter_map(move |j| m.cell(i, j))).filter_map(|c| c.source.as_deref()).collect();
    sources.sort_unstable();
    sources.dedup();
    if !sources.is_empty() {
        text(out, format!("Sources: {}.", sources.join("; ")));
    }
    heading(out, "", "What two techniques share");
    let mut t = Table::new(&["techniques", "failure modes that defeat both", "perhaps also", ">Jaccard"]);
    let mut pairs: Vec<_> = r.pairs.iter().collect();
    pairs.sort_by_key(|p| (p.shared.len(), p.perhaps_shared.len()));
    let shown = if pairs.len() > 2 * SHOWN { SHOWN } else { pairs.len() };
    for p in pairs.iter().take(shown) {
        let list = |l: &[String]| if l.is_empty() { "–".to_owned() } else { l.join(", ") };
        let jaccard = match (p.jaccard, p.jaccard_if_vulnerable) {
            (Some(a), Some(b)) if (a - b).abs() < 1e-12 => number(a),
            (a, b) => ends(a.or(Some(0.0)).map(|x| x.min(b.unwrap_or(x))), b.map(|x| x.max(a.unwrap_or(x))), number),
        };
        let same = if p.identical { " (identical rows)" } else { "" };
        t.row(vec![format!("{} + {}{same}", p.techniques[0], p.techniques[1]), list(&p.shared), list(&p.perhaps_shared), jaccard]);
    }
    out.push(Block::Table(t));
    if shown < pairs.len() {
        text(out, format!("The {shown} pairs that share least of {}; the document has all.", pairs.len()));
    }
    heading(out, "", "Smallest sets that no failure mode defeats whole");
    let list = |sets: &[coincide::DisjointSet], either: bool| -> Vec<(usize, String)> {
        let mut lines: Vec<(usize, String)> = sets
            .iter()
            .take(SHOWN)
            .map(|s| (0, format!("{}{}", s.techniques.join(" + "), if either && s.under_either_reading { " (under either reading)" } else { "" })))
            .collect();
        if sets.len() > SHOWN {
            lines.push((0, format!("… and {} more", sets.len() - SHOWN)));
        }
        if lines.is_empty() {
            lines.push((0, "none: some mode defeats every technique".into()));
        }
        lines
    };
    text(out, "With uncertain verdicts read as vulnerable:");
    out.push(Block::List(list(&r.disjoint_if_vulnerable, false)));
    text(out, "With uncertain verdicts read as not vulnerable:");
    out.push(Block::List(list(&r.disjoint, true)));
    if r.more_sets {
        text(out, "Larger sets were not searched.");
    }
    heading(out, "", "How many techniques each failure mode defeats");
    let mut t = Table::new(&["failure mode", ">defeats", ">perhaps", "which"]);
    for m in &r.reach {
        let perhaps = if m.perhaps.is_empty() { String::new() } else { format!("; perhaps {}", m.perhaps.join(", ")) };
        t.row(vec![m.mode.clone(), m.defeats.len().to_string(), m.perhaps.len().to_string(), format!("{}{perhaps}", m.defeats.join(", "))]);
    }
    out.push(Block::Table(t));
    for (i, c) in r.compared.iter().enumerate() {
        heading(out, "", &format!("Map {} against those before it", i + 2));
        text(
            out,
            format!(
                "{} cells are judged by both, {} alike; {} only before, {} only now. Cells that are judged differently count as uncertain.",
                c.both, c.agree, c.only_one[0], c.only_one[1]
            ),
        );
        if !c.differ.is_empty() {
            let mut t = Table::new(&["technique", "failure mode", "before", "now"]);
            for (a, b) in &c.differ {
                t.row(vec![a.technique.clone(), a.mode.clone(), a.verdict.word().into(), b.verdict.word().into()]);
            }
            out.push(Block::Table(t));
        }
    }
}

/// What the map's numbers say, in sentences.
pub(crate) fn modes_answer(r: &ModeReport) -> Vec<String> {
    let mut out = Vec::new();
    let nominal: Vec<&PortfolioRisk> = r.portfolios.iter().filter(|p| p.scenario == "nominal").collect();
    let rate = |p: &&&PortfolioRisk| p.expected;
    if let Some(p) = nominal.iter().min_by(|a, b| rate(a).total_cmp(&rate(b))) {
        let mut s = format!("On stated numbers, all of `{}` fail on {} ({})", p.portfolio, one_in(p.expected), interval(p.beta.interval, one_in));
        if let Some(q) = p.product.value {
            s += &format!("; multiplying their rates promises {}", one_in(q));
        }
        if let Some(k) = p.effective_layers.value {
            s += &format!(". They are worth {} independent techniques of {}", number(k), p.techniques.len());
        }
        out.push(s + ".");
        if let Some((m, own, gone, gap)) =
            p.shares.first().and_then(|m| Some((m, m.shapley.value?, m.removal.value?, p.gap_nats?))).filter(|x| x.1 > 0.0)
        {
            out.push(format!(
                "The largest part of that gap, {}, comes from {}; if it never occurred, {} of joint failures would not happen.",
                percent(own / gap),
                m.mode,
                percent(gone)
            ));
        }
    }
    let first = |c: &&Candidate| c.scenario == "nominal";
    if let Some(c) = r.roadmap.iter().find(first) {
        out.push(format!(
            "To `{}`, {} would add most: joint failures {} times rarer (the product rule promises {}); it is the best choice in {} of draws.",
            c.portfolio,
            c.technique,
            factor(c.expected.exp()),
            factor(c.promised.exp()),
            percent(c.best)
        ));
    }
    out
}

pub(crate) fn modes(r: &ModeReport, out: &mut Vec<Block>) {
    heading(out, "modes", "Portfolios of techniques");
    portfolios(&r.portfolios, out);
    attribution(&r.portfolios, out);
    if !r.roadmap.is_empty() {
        roadmap(&r.roadmap, out);
    }
    if !r.audits.is_empty() {
        audits(&r.audits, out);
    }
    if let Some((s, rows)) = &r.shared_mode {
        heading(out, "", &format!("What one shared failure mode does to {} techniques that each fail on {}", s.techniques, percent(s.rate)));
        let mut t = Table::new(&[">prevalence q", ">floor q·Πs", ">all fail", ">product", ">effective layers"]);
        for x in rows {
            t.row(vec![percent(x.prevalence), percent(x.floor), percent(x.beta), percent(x.product), number(x.effective_layers)]);
        }
        out.push(Block::Table(t));
        text(
            out,
            format!(
                "Each technique fails on {} in every row; only how much of it is shared changes. While the mode is active each fails with probability {}, so all fail at least at the floor, whatever their number.",
                percent(s.rate),
                percent(s.susceptibility)
            ),
        );
    }
    residual(r, out);
    numbers(r, out);
}

fn portfolios(list: &[PortfolioRisk], out: &mut Vec<Block>) {
    let system = list.iter().any(|p| p.system.is_some());
    let mut titles = vec!["portfolio", "scenario", ">all fail, expected", "interval", ">product", ">gap", ">effective layers"];
    if system {
        titles.push(">system fails");
    }
    let mut t = Table::new(&titles);
    let mut last = "";
    for p in list_by_portfolio(list) {
        let sign = if p.bound { "≤ " } else { "" };
        let mut row = vec![
            if p.portfolio == last { String::new() } else { p.portfolio.clone() },
            p.scenario.clone(),
            format!("{sign}{}", percent(p.expected)),
            interval(p.beta.interval, percent),
            value(&p.product, percent),
            value(&p.gap, number),
            value(&p.effective_layers, number),
        ];
        if system {
            row.push(p.system.as_ref().map_or_else(|| "–".into(), |f| value(f, percent)));
        }
        last = &p.portfolio;
        t.row(row);
    }
    out.push(Block::Table(t));
    let mut names: Vec<String> = Vec::new();
    for p in list_by_portfolio(list) {
        let line = format!("{}: {}", p.portfolio, p.techniques.join(", "));
        if !names.contains(&line) {
            names.push(line);
        }
    }
    out.push(Block::List(names.into_iter().map(|n| (0, n)).collect()));
    text(
        out,
        "Expected: the mean over what is believed, the probability to act on; the interval is of the belief. These are stated numbers, not measurements.",
    );
    reasons(out, list.iter().flat_map(|p| [&p.product, &p.gap, &p.effective_layers]));
}

/// Rows in the order of portfolios, scenarios within.
fn list_by_portfolio(list: &[PortfolioRisk]) -> Vec<&PortfolioRisk> {
    let mut names: Vec<&str> = Vec::new();
    for p in list {
        if !names.contains(&p.portfolio.as_str()) {
            names.push(&p.portfolio);
        }
    }
    names.iter().flat_map(|n| list.iter().filter(move |p| p.portfolio == *n)).collect()
}

/// Portfolios and scenarios whose shares are shown.
const ATTRIBUTED: usize = 6;

fn attribution(list: &[PortfolioRisk], out: &mut Vec<Block>) {
    let with: Vec<&PortfolioRisk> = list_by_portfolio(list).into_iter().filter(|p| !p.shares.is_empty() && p.techniques.len() > 1).collect();
    if with.is_empty() {
        return;
    }
    heading(out, "", "Which failure modes make techniques fail together");
    let mut t = Table::new(&["portfolio", "scenario", "failure mode", ">share of the gap", "nats", ">gone without it"]);
    let mut shown: Vec<&PortfolioRisk> = with.iter().copied().filter(|p| p.scenario == "nominal").collect();
    shown.extend(with.iter().copied().filter(|p| p.scenario != "nominal"));
    let many = shown.len();
    for p in shown.into_iter().take(ATTRIBUTED) {
        let gap = p.gap_nats.unwrap_or(0.0);
        for (i, m) in p.shares.iter().take(3).enumerate() {
            let own = m.shapley.value.unwrap_or(0.0);
            t.row(vec![
                if i == 0 { p.portfolio.clone() } else { String::new() },
                if i == 0 { p.scenario.clone() } else { String::new() },
                m.mode.clone(),
                if gap.abs() > 1e-12 { percent_signed(own / gap) } else { "–".into() },
                format!("{} ({})", number(own), interval(m.shapley.interval, number)),
                value(&m.removal, percent),
            ]);
        }
    }
    out.push(Block::Table(t));
    let rest = if many > ATTRIBUTED {
        format!(" {ATTRIBUTED} of {many} portfolios and scenarios are shown, and the three largest modes of each; the document has all.")
    } else {
        String::new()
    };
    text(
        out,
        format!(
            "Share of the gap: Shapley shares of ln(β/Πp); over all modes they sum to the whole. Gone without it: the part of joint failures that would not happen if the mode never occurred.{rest}"
        ),
    );
}

fn percent_signed(x: f64) -> String {
    if x < 0.0 { format!("-{}", percent(-x)) } else { percent(x) }
}

fn roadmap(list: &[Candidate], out: &mut Vec<Block>) {
    heading(out, "", "What to build next");
    let mut t = Table::new(&["in place", "scenario", "technique", ">rarer by a factor of", "interval", ">product rule", ">best in"]);
    let mut last = (String::new(), String::new());
    for c in list {
        let key = (c.portfolio.clone(), c.scenario.clone());
        let new = key != last;
        t.row(vec![
            if new && c.portfolio != last.0 { c.portfolio.clone() } else { String::new() },
            if new { c.scenario.clone() } else { String::new() },
            c.technique.clone(),
            factor(c.expected.exp()),
            interval(c.reduction.interval, |x| factor(x.exp())),
            factor(c.promised.exp()),
            percent(c.best),
        ]);
        last = key;
    }
    out.push(Block::Table(t));
    text(
        out,
        "How much rarer joint failure becomes when the technique is added, by the expected reduction of its logarithm; the product rule multiplies by the technique's own failure rate. Best in: share of draws of what is believed in which it is the best to add.",
    );
}

fn audits(list: &[AuditAnswer], out: &mut Vec<Block>) {
    heading(out, "", "What passed audits are worth");
    let mut t =
        Table::new(&["question", "scenario", ">unsafe before", ">after they passed", "interval", ">if audits were independent", ">multiplied"]);
    let mut last = "";
    for a in list {
        t.row(vec![
            if a.name == last { String::new() } else { a.name.clone() },
            a.scenario.clone(),
            value(&a.prior, percent),
            value(&a.joint, percent),
            interval(a.joint.interval, percent),
            value(&a.audits_independent, percent),
            value(&a.product, percent),
        ]);
        last = &a.name;
    }
    out.push(Block::Table(t));
    let mut lines: Vec<String> = list.iter().map(|a| format!("{}: passed {}", a.name, a.passed.join(", "))).collect();
    lines.dedup();
    out.push(Block::List(lines.into_iter().map(|l| (0, l)).collect()));
    text(
        out,
        "After they passed: by Bayes, failure modes that audits share with each other and with the audited system included. Multiplied: every audit's overall miss rate multiplied, as if nothing were shared.",
    );
}

fn residual(r: &ModeReport, out: &mut Vec<Block>) {
    if r.residual.is_empty() {
        return;
    }
    heading(out, "", "How much hangs on what the map leaves out");
    let mut at: Vec<f64> = r.residual.iter().map(|p| p.prevalence).collect();
    at.sort_by(f64::total_cmp);
    at.dedup();
    let titles: Vec<String> = std::iter::once("portfolio".to_owned()).chain(at.iter().map(|q| format!(">{}", percent(*q)))).collect();
    let mut t = Table::new(&titles.iter().map(String::as_str).collect::<Vec<_>>());
    let mut names: Vec<&str> = r.residual.iter().map(|p| p.portfolio.as_str()).collect();
    names.dedup();
    for n in names {
        let mut row = vec![n.to_owned()];
        row.extend(at.iter().map(|q| {
            let found = r.residual.iter().find(|p| p.portfolio == n && p.prevalence.to_bits() == q.to_bits());
            found.map_or_else(|| "–".into(), |p| value(&p.beta, percent))
        }));
        t.row(row);
    }
    out.push(Block::Table(t));
    text(
        out,
        "Median rate at which all techniques of the portfolio fail, by the prevalence of one further failure mode to which every technique is vulnerable.",
    );
}

fn beliefs(rows: &[BeliefRow], out: &mut Vec<Block>) {
    let mut t = Table::new(&["", ">mean", "5% to 95%"]);
    for b in rows {
        t.row(vec![b.what.clone(), percent(b.mean), ends(Some(b.low), Some(b.high), percent)]);
    }
    out.push(Block::Table(t));
}

fn numbers(r: &ModeReport, out: &mut Vec<Block>) {
    heading(out, "", "What the numbers are");
    beliefs(&r.beliefs, out);
    text(out, "Susceptibility: probability that an active failure mode defeats a technique, by verdict.");
    beliefs(&r.verdicts, out);
    text(out, format!("{} draws of all numbers.", grouped(r.draws as f64)));
    if let Some(u) = &r.update {
        heading(out, "", "What outcomes changed");
        text(
            out,
            format!(
                "{} trials with and {} without mode tags, of {}. Tags {} about prevalences. Trials are taken to be independent. R-hat {:.3}, {} draws' worth, {} divergent.",
                grouped(u.trials[0]),
                grouped(u.trials[1]),
                u.techniques.join(", "),
                if u.tags_are_a_sample { "were drawn as attacks come and tell" } else { "were chosen and do not tell" },
                u.r_hat,
                grouped(u.ess.round()),
                u.divergences
            ),
        );
        if u.r_hat > 1.01 || u.ess < 400.0 {
            text(
                out,
                "NOT mixed: R-hat should be below 1.01 and the draws worth 400 or more. Ask for more with draws under [modes] before you use these numbers.",
            );
        }
        let mut t = Table::new(&["", ">before", ">after", "5% to 95%"]);
        for m in &u.moved {
            t.row(vec![m.what.clone(), percent(m.before), percent(m.after), ends(Some(m.low), Some(m.high), percent)]);
        }
        out.push(Block::Table(t));
    }
}

pub(crate) fn elicited(list: &[Elicitation], out: &mut Vec<Block>) {
    heading(out, "", "What experts said");
    let mut t = Table::new(&["about", "expert", ">weight", ">median", "5% to 95%", ">misfit"]);
    for e in list {
        for (i, x) in e.elicited.experts.iter().enumerate() {
            t.row(vec![
                if i == 0 { e.about.clone() } else { String::new() },
                x.name.clone(),
                percent(x.weight),
                percent(x.median),
                ends(Some(x.low), Some(x.high), percent),
                number(x.misfit),
            ]);
        }
        let pool = |name: &str, d: &Distribution| {
            let used = if std::ptr::eq(d, e.elicited.used()) { " (used)" } else { "" };
            vec![
                String::new(),
                format!("{name}{used}"),
                "–".into(),
                percent(d.quantile(0.5)),
                ends(Some(d.quantile(0.05)), Some(d.quantile(0.95)), percent),
                "–".into(),
            ]
        };
        if e.elicited.experts.len() > 1 {
            t.row(pool("linear pool", &e.elicited.linear));
            t.row(pool("logarithmic pool", &e.elicited.log));
        }
    }
    out.push(Block::Table(t));
    for e in list.iter().filter(|e| e.elicited.disagreement > 0.25) {
        text(out, format!("Experts disagree about the {}: {} of the pool's variance lies between them.", e.about, percent(e.elicited.disagreement)));
    }
    if list.iter().any(|e| e.elicited.experts.iter().any(|x| x.misfit > 0.05)) {
        text(out, "Misfit above 0.05: no Beta distribution has quantiles like these; ask again, or give fewer.");
    }
}

pub(crate) fn feedback(list: &[Feedback], out: &mut Vec<Block>) {
    heading(out, "", "Gap theory: what shared feedback cannot teach");
    for f in list {
        let mut t = Table::new(&[&format!("feedback `{}`", f.source), ">"]);
        t.row(vec!["hard-context mass α (mean)".into(), percent(f.hard_context_mass)]);
        t.row(vec!["bias ε".into(), number(f.bias)]);
        t.row(vec!["separation γ".into(), number(f.separation)]);
        t.row(vec!["information a label carries κ(ε), nats".into(), number(f.information_per_label)]);
        for [n, gap] in &f.gaps {
            t.row(vec![format!("least gap after {} labels", grouped(*n)), number(*gap)]);
        }
        if let Some([eta, n]) = f.oracle_queries {
            t.row(vec![format!("oracle queries for a gap of {}", number(eta)), grouped(n.ceil())]);
        }
        out.push(Block::Table(t));
        text(out, format!("{} are trained on it and share the failure mode `{}`.", f.techniques.join(", "), f.mode));
    }
}
