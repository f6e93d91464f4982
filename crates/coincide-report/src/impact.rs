//! Impact of research problems.

use crate::block::{Block, Table};
use crate::format::percent;
use crate::sections::{heading, text};
use coincide::Impact;

fn score(x: f64) -> String {
    let text = format!("{x:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// One sentence a problem.
pub(crate) fn impact_answer(list: &[Impact]) -> Vec<String> {
    let one = |i: &Impact| {
        let sub = i
            .from_sub_scores
            .filter(|s| (s - i.score).abs() > 1e-9)
            .map_or_else(String::new, |s| format!("; the means of its sub-scores give {}", score(s)));
        let spread = i.distribution.map_or_else(String::new, |[a, _, b]| format!(" (90% of draws: {a:.2} to {b:.2})"));
        format!("Impact of `{}`: {}{spread}{sub}.", i.problem, score(i.score))
    };
    list.iter().map(one).collect()
}

/// A bar from the smallest to the largest score that one part alone can make.
fn bar(swing: [f64; 2], of: [f64; 2]) -> String {
    const WIDE: f64 = 12.0;
    let at = |x: f64| ((x - of[0]) / (of[1] - of[0]) * WIDE).round() as usize;
    let (a, b) = (at(swing[0]), at(swing[1]));
    format!("{}{}", "·".repeat(a), "█".repeat((b - a).max(1)))
}

pub(crate) fn impact(list: &[Impact], out: &mut Vec<Block>) {
    for i in list {
        heading(out, "", &format!("Impact of {}", i.problem));
        let ranged = i.parts.iter().any(|p| p.swing[1] > p.swing[0]);
        let mut titles = vec!["part", ">weight", ">score", ">stated", ">sub-scores"];
        if ranged {
            titles.extend(["alone moves it", "tornado"]);
        }
        let mut t = Table::new(&titles);
        let all = i.parts.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[a, b], p| [a.min(p.swing[0]), b.max(p.swing[1])]);
        let optional = |x: Option<f64>| x.map_or_else(|| "–".into(), score);
        for p in &i.parts {
            let mut row = vec![p.part.clone(), percent(p.weight), score(p.score), optional(p.stated), optional(p.mean_of_sub_scores)];
            if ranged {
                let moves = p.swing[1] > p.swing[0];
                row.push(if moves { format!("{:.2}\u{a0}to\u{a0}{:.2}", p.swing[0], p.swing[1]) } else { "–".into() });
                row.push(if moves { bar(p.swing, all) } else { String::new() });
            }
            t.row(row);
        }
        out.push(Block::Table(t));
        let mut lines = vec![format!("Impact {}, from stated scores before means of sub-scores.", score(i.score))];
        if let Some(s) = i.from_sub_scores {
            lines.push(format!("The means of sub-scores wherever there are any give {}.", score(s)));
            let differ: Vec<String> = i
                .parts
                .iter()
                .filter_map(|p| {
                    p.stated
                        .zip(p.mean_of_sub_scores)
                        .filter(|(a, b)| (a - b).abs() > 1e-9)
                        .map(|(a, b)| format!("{} ({} against {})", p.part, score(a), score(b)))
                })
                .collect();
            if !differ.is_empty() {
                lines.push(format!("Stated and sub-scores differ: {}.", differ.join(", ")));
            }
        }
        if let Some([a, m, b]) = i.distribution {
            lines.push(format!("With scores drawn from their ranges: median {m:.2}, 90% between {a:.2} and {b:.2}."));
        }
        text(out, lines.join(" "));
    }
}
