//! The section about layers with shared attributes, the tree of layers, and layers that are one in truth.

use crate::block::{Block, Table};
use crate::format::{grouped, number, p_value, percent, value};
use crate::sections::{cut_short, heading, reasons, text};
use coincide::{Lineage, LineageEffect, SharedAttribute, TwinLayers, TwinRelation};
use std::collections::BTreeMap;

/// Columns of the drawn tree.
const ACROSS: usize = 36;
/// Layers of a tree that is drawn as text.
const DRAWN: usize = 100;
/// Twins that are shown.
const TWINS: usize = 20;
/// Groups of twins, and pairs of which one contains the other, that the answer names.
const NAMED: usize = 2;

/// What shared attributes go with, and which layers to count as one, in sentences; none where nothing could be tested and no layers are alike.
pub(crate) fn lineage_answer(l: &Lineage) -> Vec<String> {
    let mut out: Vec<String> = attribute_sentence(l).into_iter().collect();
    let sure = |group: &[String]| l.twins.iter().filter(|t| t.relation == TwinRelation::Same && group.contains(&t.a)).all(|t| t.sure);
    for g in l.one_layer.iter().take(NAMED) {
        out.push(if sure(g) {
            format!("{} fail on the same attacks: count them as one layer.", listed(g))
        } else {
            format!("{} look like one layer: as far as was seen they fail on the same attacks.", listed(g))
        });
    }
    if out.len() < 3 {
        let contained = l.twins.iter().find(|t| t.relation == TwinRelation::Contained && t.sure);
        out.extend(contained.map(|t| format!("Where `{}` fails, `{}` fails too: `{}` adds nothing to `{}`.", t.a, t.b, t.b, t.a)));
    }
    out
}

/// "`a`, `b` and `c`".
fn listed(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
    match quoted.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => quoted.join(""),
    }
}

/// The attribute that goes with failing together most clearly, or that none does.
fn attribute_sentence(l: &Lineage) -> Option<String> {
    let tested = || l.attributes.iter().filter_map(|a| Some((a, a.tetrachoric.p_adjusted?, a.tetrachoric.coefficient.value?)));
    let (a, p, by) = tested().min_by(|x, y| x.1.total_cmp(&y.1))?;
    let many = tested().count();
    let adjusted = if many > 1 { format!(" after adjusting for {many} attributes") } else { String::new() };
    let name = &a.attribute;
    if p >= 0.05 {
        return Some(if many > 1 {
            format!("Layers that share an attribute are not seen to fail together more or less: the smallest p value is {}{adjusted}.", number(p))
        } else {
            format!("Layers with the same `{name}` are not seen to fail together more or less than others (p = {}).", number(p))
        });
    }
    let (how, direction) = if by >= 0.0 { ("more", "higher") } else { ("less", "lower") };
    let beside = l.together.iter().flat_map(|t| &t.attributes).find(|b| b.attribute == *name);
    let alone = beside.and_then(|b| b.tetrachoric.p_value).is_some_and(|p| p >= 0.05);
    let but = if alone { "; beside the other attributes this cannot be told from nothing" } else { "" };
    Some(format!(
        "Layers with the same `{name}` fail together {how}: tetrachoric r is {} {direction} (p = {}{adjusted}){but}.",
        number(by.abs()),
        number(p)
    ))
}

/// What the section says where no attribute and no twins have anything to say: which layers fail most alike.
pub(crate) fn lineage_conclusion(l: &Lineage) -> Option<String> {
    lineage_answer(l).into_iter().next().or_else(|| {
        let m = l.merges.iter().find(|m| m.left.max(m.right) < l.leaves.len())?;
        let alike = 1.0 - m.distance?;
        Some(format!(
            "`{}` and `{}` fail most alike: φ/φmax is {}, where 1 would be one layer and 0 two independent ones.",
            l.leaves[m.left],
            l.leaves[m.right],
            number(alike)
        ))
    })
}

pub(crate) fn lineage(l: &Lineage, out: &mut Vec<Block>) {
    // Where no attribute is known, the tree and layers that are one are all there is to say.
    let shared = !l.attributes.is_empty();
    if shared {
        heading(out, "lineage", "Lineage: layers with something in common");
        attributes(l, out);
        together(l, out);
    }
    if !l.merges.is_empty() {
        heading(out, if shared { "" } else { "lineage" }, "Tree of layers by joint failure");
        tree(l, out);
    }
    twins(l, out);
    l.notes.iter().for_each(|n| text(out, n.clone()));
}

fn attributes(l: &Lineage, out: &mut Vec<Block>) {
    let tested: Vec<&SharedAttribute> = l.attributes.iter().filter(|a| a.refused.is_none()).collect();
    if !tested.is_empty() {
        let mut t = Table::new(&["layers that share", ">pairs", ">their r", ">r of others", ">difference", ">p adj.", ">of ln odds", ">p adj."]);
        for a in &tested {
            t.row(vec![
                a.attribute.clone(),
                format!("{} of {}", a.sharing, a.sharing + a.others),
                value(&a.r_sharing, number),
                value(&a.r_others, number),
                value(&a.tetrachoric.coefficient, number),
                p_of(&a.tetrachoric),
                value(&a.log_odds.coefficient, number),
                p_of(&a.log_odds),
            ]);
        }
        out.push(Block::Table(t));
        let mut how: Vec<String> = Vec::new();
        for a in &tested {
            let many = if a.exact { "all".to_owned() } else { grouped(a.relabellings as f64) };
            let line = format!("{many} relabellings of {} layers", a.layers);
            if !how.contains(&line) {
                how.push(line);
            }
        }
        let left_out = tested.iter().map(|a| a.left_out).max().unwrap_or(0);
        let missing = if left_out > 0 { format!(" Up to {left_out} pairs without a tetrachoric r are left out.") } else { String::new() };
        text(
            out,
            format!(
                "r: tetrachoric correlation, as a mean over pairs. Two-sided p values come from {}: pairs of one layer are not independent, layers are taken to be. p adj.: Benjamini–Hochberg over the attributes.{missing}",
                how.join(" and ")
            ),
        );
    }
    // One reason may hold for several attributes, and names each of them.
    let line = |a: &SharedAttribute| Some((0, format!("`{}`: {}.", a.attribute, a.refused.as_ref()?)));
    let refused: Vec<(usize, String)> = l.attributes.iter().filter_map(line).collect();
    if !refused.is_empty() {
        text(out, "Not tested:");
        out.push(Block::List(refused));
    }
}

fn p_of(e: &LineageEffect) -> String {
    // The smallest that random relabellings can give would be shown as 0.000.
    match e.p_adjusted {
        Some(p) if p < 1e-3 => number(p),
        p => p_value(p),
    }
}

fn together(l: &Lineage, out: &mut Vec<Block>) {
    let Some(x) = &l.together else { return };
    if let Some(why) = &x.refused {
        text(out, format!("All attributes together: {why}."));
        return;
    }
    let mut t = Table::new(&["all attributes together", ">difference of r", ">p adj.", ">of ln odds", ">p adj."]);
    for a in &x.attributes {
        t.row(vec![
            a.attribute.clone(),
            value(&a.tetrachoric.coefficient, number),
            p_of(&a.tetrachoric),
            value(&a.log_odds.coefficient, number),
            p_of(&a.log_odds),
        ]);
    }
    out.push(Block::Table(t));
    text(
        out,
        format!(
            "Each attribute with the others held as they are (double semi-partialling), over {} pairs of {} layers. Together they explain {} of the variance of r between pairs; with every attribute that grows.",
            grouped(x.pairs as f64),
            x.layers,
            value(&x.explained, percent)
        ),
    );
    reasons(out, x.attributes.iter().map(|a| &a.tetrachoric.coefficient));
}

fn twins(l: &Lineage, out: &mut Vec<Block>) {
    if l.twins.is_empty() {
        return;
    }
    let mut t = Table::new(&["layers", ">both fail", ">only the first", ">only the second", ">φ/φmax", ">at least", "the second"]);
    for w in l.twins.iter().take(TWINS) {
        t.row(vec![
            format!("{} × {}", w.a, w.b),
            grouped(w.both_failed),
            grouped(w.only_a_failed),
            grouped(w.only_b_failed),
            value(&w.phi_relative, number),
            w.at_least.map_or_else(|| "–".into(), number),
            verdict(w).into(),
        ]);
    }
    out.push(Block::Table(t));
    let more = l.twins.len().saturating_sub(TWINS);
    let rest = if more > 0 { format!(" The document has {more} more.") } else { String::new() };
    text(
        out,
        format!(
            "Where the first fails, at most a tenth of the second's strength is left. Counted as more than one layer, they make a stack look deeper than it is.{rest}"
        ),
    );
}

fn verdict(w: &TwinLayers) -> &'static str {
    match (w.relation, w.sure) {
        (TwinRelation::Same, true) => "is the same layer",
        (TwinRelation::Same, false) => "looks like the same layer",
        (TwinRelation::Contained, true) => "adds nothing to the first",
        (TwinRelation::Contained, false) => "seems to add nothing to the first",
    }
}

fn tree(l: &Lineage, out: &mut Vec<Block>) {
    if l.leaves.len() > DRAWN {
        text(out, format!("A tree of {} layers is too long to be drawn here; the page shows it, and the document has it.", l.leaves.len()));
        return;
    }
    // At which distance each layer joins something first.
    let mut joins: BTreeMap<usize, Option<f64>> = BTreeMap::new();
    for m in &l.merges {
        for side in [m.left, m.right] {
            joins.entry(side).or_insert(m.distance);
        }
    }
    let mut t = Table::new(&["layer", ">joins at", "tree"]);
    for (leaf, line) in l.order().into_iter().zip(drawn(l)) {
        let name = l.leaves.get(leaf).cloned().unwrap_or_default();
        let at = joins.get(&leaf).copied().flatten().map_or_else(|| "–".into(), number);
        t.row_or(vec![name.clone(), at, line], cut_short(&name, 22));
    }
    out.push(Block::Table(t));
    let top = l.merges.iter().filter_map(|m| m.distance).fold(0.0, f64::max);
    text(
        out,
        format!(
            "Further right: failing together less. A join stands at the mean of 1 − φ/φmax over the pairs of its two sides (average linkage), 0 on the left and {} on the right: 0 where the rarer failure only happens with the other, 1 if independent, above 1 if layers fail on different attacks.",
            number(top)
        ),
    );
}

/// Sides on which a cell of the drawing has a line.
const LEFT: u8 = 1;
const RIGHT: u8 = 2;
const UP: u8 = 4;
const DOWN: u8 = 8;

/// One line a layer, in the tree's order: lines run from layers on the left to joins on the right, which never stand left of those under them.
fn drawn(l: &Lineage) -> Vec<String> {
    let order = l.order();
    let mut cells = vec![[0u8; ACROSS]; order.len()];
    let top = l.merges.iter().filter_map(|m| m.distance).fold(0.0, f64::max);
    let column = |d: Option<f64>| match d {
        Some(d) if top > 0.0 => 1 + ((d / top).clamp(0.0, 1.0) * (ACROSS - 3) as f64).round() as usize,
        Some(_) => 1,
        // Not known: beyond all that are.
        None => ACROSS - 1,
    };
    // Where each node's line begins: row and column.
    let mut nodes: BTreeMap<usize, (usize, usize)> = order.iter().enumerate().map(|(row, &leaf)| (leaf, (row, 0))).collect();
    cells.iter_mut().for_each(|row| row[0] |= LEFT);
    for (m, merge) in l.merges.iter().enumerate() {
        let (Some(&x), Some(&y)) = (nodes.get(&merge.left), nodes.get(&merge.right)) else { continue };
        let (first, second) = if x.0 <= y.0 { (x, y) } else { (y, x) };
        let at = column(merge.distance).max(first.1).max(second.1).min(ACROSS - 1);
        for (row, from) in [first, second] {
            for c in from..at {
                cells[row][c] |= RIGHT;
                cells[row][c + 1] |= LEFT;
            }
        }
        cells[first.0][at] |= DOWN;
        cells[second.0][at] |= UP;
        cells.iter_mut().take(second.0).skip(first.0 + 1).for_each(|row| row[at] |= UP | DOWN);
        nodes.insert(l.leaves.len() + m, (second.0, at));
    }
    cells.iter().map(|row| row.iter().map(|&c| line(c)).collect::<String>().trim_end_matches('\u{a0}').to_owned()).collect()
}

/// The character with lines on these sides; a no-break space where there is none, so that no table breaks inside a drawing.
fn line(sides: u8) -> char {
    const LINES: [char; 16] = ['\u{a0}', '─', '─', '─', '│', '┘', '└', '┴', '│', '┐', '┌', '┬', '│', '┤', '├', '┼'];
    LINES.get(usize::from(sides)).copied().unwrap_or('┼')
}

#[cfg(test)]
mod tests {
    use super::*;
    use coincide::{Figure, Pair, Seed};

    fn pair(a: usize, b: usize, phi: f64) -> Pair {
        Pair { a: format!("l{a}"), b: format!("l{b}"), phi_relative: Figure::of(phi, ""), ..Pair::default() }
    }

    fn example() -> Lineage {
        // l0 and l2 fail nearly together, l1 and l3 often, the two groups as if independent.
        let layers: Vec<String> = (0..4).map(|i| format!("l{i}")).collect();
        let pairs = [pair(0, 1, 0.0), pair(0, 2, 0.9), pair(0, 3, 0.0), pair(1, 2, 0.0), pair(1, 3, 0.5), pair(2, 3, 0.0)];
        coincide::lineage(&layers, &pairs, &BTreeMap::new(), 1.0, Seed(1))
    }

    #[test]
    fn the_tree_is_drawn_line_by_line() {
        let lines: Vec<String> = drawn(&example()).iter().map(|l| l.replace('\u{a0}', " ")).collect();
        // Joins stand at 1 + round(33·d): 0.1 at 4, 0.5 at 18, 1 at 34.
        let far = |n: usize, c: &str| format!("{}{c}", "─".repeat(n));
        assert_eq!(lines[0], far(4, "┐"));
        assert_eq!(lines[1], format!("{}{}", far(4, "┴"), far(29, "┐")));
        assert_eq!(lines[2], format!("{}{}│", far(18, "┐"), " ".repeat(15)));
        assert_eq!(lines[3], format!("{}{}", far(18, "┴"), far(15, "┘")));
        assert!(lines.iter().all(|l| l.chars().count() <= ACROSS));
    }

    #[test]
    fn joins_at_one_place_keep_their_lines() {
        let layers: Vec<String> = (0..3).map(|i| format!("l{i}")).collect();
        let l = coincide::lineage(&layers, &[pair(0, 1, 0.5), pair(0, 2, 0.5), pair(1, 2, 0.5)], &BTreeMap::new(), 1.0, Seed(1));
        let ends: Vec<char> = drawn(&l).iter().filter_map(|line| line.chars().last()).collect();
        assert_eq!(ends, ['┐', '┤', '┘']);
    }

    #[test]
    fn sentences() {
        let mut l = example();
        assert!(lineage_answer(&l).is_empty());
        l.one_layer = vec![vec!["l0".into(), "l1".into(), "l2".into()]];
        l.twins = vec![TwinLayers {
            a: "l0".into(),
            b: "l1".into(),
            relation: TwinRelation::Same,
            sure: true,
            both_failed: 90.0,
            only_a_failed: 0.0,
            only_b_failed: 1.0,
            phi_relative: Figure::of(1.0, ""),
            at_least: Some(0.95),
        }];
        assert_eq!(lineage_answer(&l), ["`l0`, `l1` and `l2` fail on the same attacks: count them as one layer."]);
        let mut out = Vec::new();
        lineage(&l, &mut out);
        assert!(out.iter().any(|b| matches!(b, Block::Table(t) if t.rows.iter().any(|r| r.contains(&"is the same layer".to_owned())))));
    }
}
