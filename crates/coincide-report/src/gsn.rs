//! An argument as a picture: Goal Structuring Notation (GSN Community Standard 3) in SVG. Goals are rectangles, strategies parallelograms, solutions circles, contexts
//! rounded, assumptions ellipses marked A; defeaters stand dashed, as challenges.

use crate::claims::{evidence, statement, strategy, word};
use coincide::{Argument, ClaimNode, Verdict};

/// Shape of a node.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Goal,
    Strategy,
    Solution,
    Context,
    Assumption,
    Defeater,
}

/// A box of the picture: its children below, and what is attached to its sides.
struct Node {
    id: String,
    shape: Shape,
    lines: Vec<String>,
    verdict: Option<Verdict>,
    flagged: bool,
    below: Vec<Node>,
    beside: Vec<Node>,
    /// The whole text, for screen readers.
    title: String,
}

const WIDE: f64 = 210.0;
const GAP: f64 = 26.0;
const LINE: f64 = 15.0;
const DROP: f64 = 46.0;
const LETTERS: usize = 32;

impl Node {
    fn new(id: String, shape: Shape, text: &str, verdict: Option<Verdict>) -> Node {
        let letters = match shape {
            Shape::Solution | Shape::Assumption => 24,
            Shape::Strategy => 28,
            _ => LETTERS,
        };
        let plain = text.replace('`', "");
        let lines = textwrap::wrap(&plain, letters).into_iter().map(|l| l.into_owned()).collect();
        Node { id, shape, lines, verdict, flagged: false, below: Vec::new(), beside: Vec::new(), title: plain }
    }
    fn height(&self) -> f64 {
        let text = LINE * (self.lines.len() as f64 + 1.0 + f64::from(u8::from(self.verdict.is_some())));
        // Round shapes lose their corners.
        if matches!(self.shape, Shape::Solution | Shape::Assumption) { text + 44.0 } else { text + 20.0 }
    }
    /// Width of the node with what hangs on its sides.
    fn own_width(&self) -> f64 {
        if self.beside.is_empty() { WIDE } else { 2.0 * WIDE + GAP }
    }
    fn own_height(&self) -> f64 {
        let beside: f64 = self.beside.iter().map(|b| b.height() + 10.0).sum();
        self.height().max(beside)
    }
    fn width(&self) -> f64 {
        let below: f64 = self.below.iter().map(Node::width).sum::<f64>() + GAP * self.below.len().saturating_sub(1) as f64;
        self.own_width().max(below)
    }
    fn depth(&self) -> f64 {
        self.own_height() + self.below.iter().map(|b| b.depth() + DROP).fold(0.0, f64::max)
    }
}

fn tree(a: &Argument, c: &ClaimNode, ids: &mut [usize; 6], drawn: &mut Vec<(String, String)>) -> Node {
    if let Some((_, id)) = drawn.iter().find(|d| d.0 == c.statement.name) {
        // A claim that supports several others is drawn once.
        return Node::new(id.clone(), Shape::Goal, &format!("{}: see {id}", c.statement.name), Some(c.verdict));
    }
    let mut id = |shape: Shape| {
        let (letter, at) = match shape {
            Shape::Goal => ("G", 0),
            Shape::Strategy => ("S", 1),
            Shape::Solution => ("Sn", 2),
            Shape::Context => ("C", 3),
            Shape::Assumption => ("A", 4),
            Shape::Defeater => ("D", 5),
        };
        ids[at] += 1;
        format!("{letter}{}", ids[at])
    };
    let text = format!("{}: {}", c.statement.name, statement(c));
    let mut goal = Node::new(id(Shape::Goal), Shape::Goal, &text, Some(c.verdict));
    goal.flagged = c.flagged;
    drawn.push((c.statement.name.clone(), goal.id.clone()));
    for (list, shape) in
        [(&c.statement.context, Shape::Context), (&c.statement.assumptions, Shape::Assumption), (&c.statement.defeaters, Shape::Defeater)]
    {
        for t in list {
            let text = if shape == Shape::Defeater { format!("would defeat it: {t}") } else { t.clone() };
            goal.beside.push(Node::new(id(shape), shape, &text, None));
        }
    }
    if let Some(e) = &c.evidence
        && e.independent_trials
    {
        goal.beside.push(Node::new(id(Shape::Assumption), Shape::Assumption, "trials are independent although clusters are recorded", None));
    }
    if let Some(e) = evidence(c) {
        goal.below.push(Node::new(id(Shape::Solution), Shape::Solution, &e, None));
    }
    if !c.statement.of.is_empty() {
        let text = match c.statement.dependence {
            coincide::Dependence::Unknown => format!("{}; nothing assumed about how their errors hang together", strategy(c)),
            coincide::Dependence::Independent => format!("{}; their errors are ASSUMED independent", strategy(c)),
            coincide::Dependence::SameEvidence => format!("{}; they rest on the same evidence", strategy(c)),
        };
        let mut s = Node::new(id(Shape::Strategy), Shape::Strategy, &text, None);
        s.below = c.statement.of.iter().filter_map(|p| a.claim(p)).map(|p| tree(a, p, ids, drawn)).collect();
        goal.below.push(s);
    }
    goal
}

fn escape(text: &str) -> String {
    // XML has no place for control characters, not even escaped.
    let plain: String = text.chars().map(|c| if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') { ' ' } else { c }).collect();
    plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn colour(v: Verdict) -> &'static str {
    match v {
        Verdict::Supported => "#1a7f37",
        Verdict::Refuted => "#b42318",
        Verdict::Undecidable => "#9a6700",
    }
}

fn draw(n: &Node, x: f64, y: f64, w: f64, h: f64, out: &mut String) {
    let (cx, cy) = (x + w / 2.0, y + h / 2.0);
    let stroke = n.verdict.map_or("#57606a", colour);
    let style = format!("fill=\"#ffffff\" stroke=\"{stroke}\" stroke-width=\"{}\"", if n.verdict.is_some() { 2 } else { 1 });
    *out += &format!("<g><title>{}: {}</title>", n.id, escape(&n.title));
    *out += &match n.shape {
        Shape::Goal => format!("<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" {style}/>"),
        Shape::Defeater => format!("<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" {style} stroke-dasharray=\"5 3\"/>"),
        Shape::Context => format!("<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" rx=\"18\" {style}/>"),
        Shape::Strategy => {
            let s = 12.0;
            format!("<polygon points=\"{:.1},{y:.1} {:.1},{y:.1} {:.1},{:.1} {x:.1},{:.1}\" {style}/>", x + s, x + w, x + w - s, y + h, y + h)
        }
        Shape::Solution | Shape::Assumption => {
            format!("<ellipse cx=\"{cx:.1}\" cy=\"{cy:.1}\" rx=\"{:.1}\" ry=\"{:.1}\" {style}/>", w / 2.0, h / 2.0)
        }
    };
    let rows = n.lines.len() + 1 + usize::from(n.verdict.is_some());
    let mut at = cy - LINE * (rows as f64 - 1.0) / 2.0 + 4.0;
    let mut line = |text: &str, extra: &str| {
        *out += &format!("<text x=\"{cx:.1}\" y=\"{at:.1}\" text-anchor=\"middle\"{extra}>{}</text>", escape(text));
        at += LINE;
    };
    line(&n.id, " font-weight=\"bold\"");
    n.lines.iter().for_each(|l| line(l, ""));
    if let Some(v) = n.verdict {
        let flag = if n.flagged { " (FLAGGED)" } else { "" };
        line(&format!("{}{flag}", word(v).to_uppercase()), &format!(" font-weight=\"bold\" fill=\"{}\"", colour(v)));
    }
    if n.shape == Shape::Assumption {
        *out += &format!("<text x=\"{:.1}\" y=\"{:.1}\" font-weight=\"bold\">A</text>", x + w - 16.0, y + h - 4.0);
    }
    *out += "</g>\n";
}

/// Draws a subtree whose left edge is `x`; gives the middle of its top.
fn place(n: &Node, x: f64, y: f64, lines: &mut String, shapes: &mut String) -> (f64, f64) {
    let total = n.width();
    let left = (x + (total - WIDE) / 2.0).min(x + total - n.own_width()).max(x);
    let h = n.height();
    draw(n, left, y, WIDE, h, shapes);
    let mut side = y;
    for b in &n.beside {
        let bx = left + WIDE + GAP;
        draw(b, bx, side, WIDE, b.height(), shapes);
        let (cy, from) = (side + b.height() / 2.0, (y + h).min(side + b.height() / 2.0).max(y));
        *lines += &format!("<path d=\"M{:.1} {from:.1} L{bx:.1} {cy:.1}\" marker-end=\"url(#open)\"/>\n", left + WIDE);
        side += b.height() + 10.0;
    }
    let middle = left + WIDE / 2.0;
    let below: f64 = n.below.iter().map(Node::width).sum::<f64>() + GAP * n.below.len().saturating_sub(1) as f64;
    let mut at = (middle - below / 2.0).min(x + total - below).max(x);
    let top = y + n.own_height() + DROP;
    for b in &n.below {
        let (bx, by) = place(b, at, top, lines, shapes);
        *lines += &format!("<path d=\"M{middle:.1} {:.1} L{bx:.1} {by:.1}\" marker-end=\"url(#solid)\"/>\n", y + h);
        at += b.width() + GAP;
    }
    (middle, y)
}

/// The argument in Goal Structuring Notation, one tree a claim at the top, as an SVG document.
pub fn gsn(a: &Argument) -> String {
    let (mut ids, mut drawn) = ([0; 6], Vec::new());
    let trees: Vec<Node> = a.top.iter().filter_map(|n| a.claim(n)).map(|c| tree(a, c, &mut ids, &mut drawn)).collect();
    let (mut lines, mut shapes) = (String::new(), String::new());
    let (mut x, mut deepest) = (GAP, 0.0f64);
    for t in &trees {
        place(t, x, GAP, &mut lines, &mut shapes);
        x += t.width() + 2.0 * GAP;
        deepest = deepest.max(t.depth());
    }
    let (w, h) = ((x - GAP).max(WIDE), deepest + 2.0 * GAP);
    let names: Vec<String> = a.top.iter().filter_map(|n| a.claim(n)).map(|c| format!("{} {}", c.statement.name, word(c.verdict))).collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w:.0} {h:.0}\" width=\"{w:.0}\" height=\"{h:.0}\" role=\"img\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>Argument in Goal Structuring Notation: {}</title>\n\
         <defs><marker id=\"solid\" viewBox=\"0 0 10 10\" refX=\"10\" refY=\"5\" markerWidth=\"9\" markerHeight=\"9\" orient=\"auto\"><path d=\"M0 0 L10 5 L0 10 z\" fill=\"#24292f\"/></marker>\
         <marker id=\"open\" viewBox=\"0 0 10 10\" refX=\"10\" refY=\"5\" markerWidth=\"9\" markerHeight=\"9\" orient=\"auto\"><path d=\"M0 0 L10 5 L0 10 z\" fill=\"#ffffff\" stroke=\"#24292f\"/></marker></defs>\n\
         <rect width=\"{w:.0}\" height=\"{h:.0}\" fill=\"#ffffff\"/>\n\
         <g stroke=\"#24292f\" fill=\"none\">\n{lines}</g>\n{shapes}</svg>\n",
        escape(&names.join(", "))
    )
}
