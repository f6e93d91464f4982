//! Fault trees in the Open-PSA Model Exchange Format (version 2.0d): definitions of gates, basic events and house events.
//!
//! A definition may stand before or after its use. Whatever of the format is not read is refused by its name and place: nothing is left out silently. Neither a document type nor an entity of the
//! file's own is read, and formulas and files have a size that they may not exceed.

use crate::graph::{Builder, Literal, Structure};
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use rustc_hash::FxHashMap;

/// Formulas inside each other.
const DEEPEST: usize = 500;
/// Bytes of a file.
const LARGEST: usize = 512 << 20;

/// Something in a fault tree is not what it has to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {what}")]
pub struct ReadError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What was found and what was expected.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A fault tree.
#[derive(Debug, Clone)]
pub struct FaultTree {
    /// The top gate.
    pub top: String,
    /// What fails.
    pub structure: Structure,
    /// Names of the events that the top gate rests on, by their numbers in the structure.
    pub events: Vec<String>,
    /// Their probabilities.
    pub probabilities: Vec<f64>,
    /// Gates that the top gate rests on, itself among them.
    pub gates: usize,
}

type Place = usize;

/// How a gate puts its inputs together.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    And,
    Or,
    Not,
    Xor,
    Nor,
    Nand,
    Iff,
    Imply,
    AtLeast(usize),
    /// From so many to so many.
    Cardinality(usize, usize),
}

#[derive(Debug, Clone)]
enum Formula {
    Name(String, Place),
    Constant(bool),
    Gate(Kind, Vec<Formula>),
}

#[derive(Debug)]
enum Definition {
    Gate(Formula),
    House(bool),
    Event(f64),
}

/// What stands open.
enum Open {
    /// An element that only holds others.
    Around,
    Gate(String, Option<Formula>),
    Event(String, Option<f64>),
    House(String, Option<bool>),
    Formula(Kind, Vec<Formula>),
    /// A label or attributes: read over.
    Aside,
}

struct Document<'a> {
    text: &'a str,
    definitions: FxHashMap<String, (Definition, Place)>,
    /// Names of gates as they stand.
    gates: Vec<String>,
    open: Vec<(Open, Place)>,
    formulas: usize,
}

/// Reads the fault tree of a model whose top gate is the one that no other rests on.
///
/// Fails with line and column on what is no such model or goes beyond what is read here.
///
/// ```
/// let model = r#"<opsa-mef><define-fault-tree name="t">
///     <define-gate name="top"><atleast min="2"><basic-event name="a"/><basic-event name="b"/><basic-event name="c"/></atleast></define-gate>
///     <define-basic-event name="a"><float value="0.1"/></define-basic-event>
///     <define-basic-event name="b"><float value="0.2"/></define-basic-event>
///     <define-basic-event name="c"><float value="0.3"/></define-basic-event>
/// </define-fault-tree></opsa-mef>"#;
/// let tree = coincide_structure::read_open_psa(model.as_bytes())?;
/// let p = tree.structure.compile(Default::default())?.probability(&tree.probabilities);
/// assert!((p - 0.098).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_open_psa(bytes: &[u8]) -> Result<FaultTree, ReadError> {
    let beginning = |what: String, hint: &str| ReadError { line: 1, column: 1, what, hint: Some(hint.to_owned()) };
    if bytes.len() > LARGEST {
        return Err(beginning(format!("the file has {} bytes, and {LARGEST} are read at most", bytes.len()), "split the model"));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let (line, column) = place(&String::from_utf8_lossy(&bytes[..e.valid_up_to()]), e.valid_up_to());
        ReadError { line, column, what: "this is not UTF-8".into(), hint: Some("save the file as UTF-8".into()) }
    })?;
    let mut d = Document { text, definitions: FxHashMap::default(), gates: Vec::new(), open: Vec::new(), formulas: 0 };
    d.read()?;
    d.tree()
}

/// Line and column of a byte.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let begins = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    (line, String::from_utf8_lossy(&before[begins..]).chars().count() + 1)
}

impl Document<'_> {
    fn wrong(&self, at: Place, what: impl Into<String>, hint: &str) -> ReadError {
        let (line, column) = place(self.text, at);
        ReadError { line, column, what: what.into(), hint: (!hint.is_empty()).then(|| hint.to_owned()) }
    }

    fn read(&mut self) -> Result<(), ReadError> {
        let text = self.text;
        let mut reader = Reader::from_str(text);
        loop {
            let at = reader.buffer_position() as usize;
            let event =
                reader.read_event().map_err(|e| self.wrong(reader.error_position() as usize, format!("this is not well-formed XML: {e}"), ""))?;
            match event {
                Event::Start(e) => self.start(&e, at)?,
                Event::Empty(e) => {
                    self.start(&e, at)?;
                    self.end()?;
                }
                Event::End(_) => self.end()?,
                Event::DocType(_) => return Err(self.wrong(at, "a document type is not read", "leave it out: a model needs none")),
                Event::Text(t) => {
                    let aside = matches!(self.open.last(), None | Some((Open::Aside, _)));
                    if !aside && !t.trim().is_empty() {
                        return Err(self.wrong(at, "text stands between elements", "the format has text in labels only"));
                    }
                }
                Event::CData(_) | Event::GeneralRef(_) if !matches!(self.open.last(), Some((Open::Aside, _))) => {
                    return Err(self.wrong(at, "text stands between elements", "the format has text in labels only"));
                }
                Event::Eof if self.open.is_empty() => return Ok(()),
                Event::Eof => return Err(self.wrong(text.len(), "the file ends within an element", "it may have been cut off")),
                _ => {}
            }
        }
    }

    /// An attribute's value.
    fn attribute(&self, e: &BytesStart<'_>, name: &str, at: Place) -> Result<Option<String>, ReadError> {
        let found = e.try_get_attribute(name).map_err(|x| self.wrong(at, format!("the attributes are not well-formed: {x}"), ""))?;
        let value = found.map(|a| a.normalized_value(XmlVersion::Explicit1_0).map(std::borrow::Cow::into_owned)).transpose();
        value.map_err(|x| self.wrong(at, format!("the value of `{name}` cannot be read: {x}"), "entities of a file's own are not read"))
    }

    fn needed(&self, e: &BytesStart<'_>, name: &str, at: Place) -> Result<String, ReadError> {
        let element = e.name().as_ref().to_owned();
        self.attribute(e, name, at)?
            .filter(|v| !v.is_empty())
            .ok_or_else(|| self.wrong(at, format!("`{element}` has no `{name}`"), "the format needs it here"))
    }

    fn number<T: std::str::FromStr>(&self, e: &BytesStart<'_>, name: &str, at: Place) -> Result<T, ReadError> {
        let text = self.needed(e, name, at)?;
        text.trim().parse().map_err(|_| self.wrong(at, format!("`{text}` is no value of `{name}`"), "a number, as 0.01 or 2"))
    }

    fn start(&mut self, e: &BytesStart<'_>, at: Place) -> Result<(), ReadError> {
        if self.open.len() >= DEEPEST {
            return Err(self.wrong(
                at,
                format!("more than {DEEPEST} elements stand inside each other"),
                "give the inner formulas gates of their own",
            ));
        }
        if let Some((Open::Aside, _)) = self.open.last() {
            self.open.push((Open::Aside, at));
            return Ok(());
        }
        let element = e.name().as_ref().to_owned();
        if let Some(role) = self.attribute(e, "role", at)?.filter(|r| r != "public") {
            return Err(self.wrong(
                at,
                format!("`role=\"{role}\"` is not read: names are known in the whole model"),
                "make it public, with a name of its own",
            ));
        }
        let holds_formulas = matches!(self.open.last(), Some((Open::Gate(..) | Open::Formula(..), _)));
        let open = match element.as_str() {
            "label" | "attributes" => Open::Aside,
            "opsa-mef" | "define-fault-tree" | "define-component" | "model-data" if !holds_formulas => Open::Around,
            "define-gate" => Open::Gate(self.needed(e, "name", at)?, None),
            "define-basic-event" => Open::Event(self.needed(e, "name", at)?, None),
            "define-house-event" => Open::House(self.needed(e, "name", at)?, None),
            "float" | "int" => {
                let value: f64 = self.number(e, "value", at)?;
                let Some((Open::Event(name, p), _)) = self.open.last_mut() else {
                    return Err(self.wrong(at, format!("`{element}` stands outside of a basic event"), ""));
                };
                if p.is_some() || !(0.0..=1.0).contains(&value) {
                    let what = if p.is_some() { format!("`{name}` has two values") } else { format!("`{name}` cannot have the probability {value}") };
                    return Err(self.wrong(at, what, "one probability, from 0 to 1"));
                }
                *p = Some(value);
                Open::Aside
            }
            "constant" | "bool" => {
                let text = self.needed(e, "value", at)?;
                let value = match text.as_str() {
                    "true" => true,
                    "false" => false,
                    _ => return Err(self.wrong(at, format!("`{text}` is neither true nor false"), "")),
                };
                if let Some((Open::House(_, known), _)) = self.open.last_mut() {
                    *known = Some(value);
                } else {
                    self.formula(Formula::Constant(value), at)?;
                }
                Open::Aside
            }
            "gate" | "basic-event" | "house-event" | "event" => {
                let name = self.needed(e, "name", at)?;
                self.formula(Formula::Name(name, at), at)?;
                Open::Aside
            }
            "and" => Open::Formula(Kind::And, Vec::new()),
            "or" => Open::Formula(Kind::Or, Vec::new()),
            "not" => Open::Formula(Kind::Not, Vec::new()),
            "xor" => Open::Formula(Kind::Xor, Vec::new()),
            "nor" => Open::Formula(Kind::Nor, Vec::new()),
            "nand" => Open::Formula(Kind::Nand, Vec::new()),
            "iff" => Open::Formula(Kind::Iff, Vec::new()),
            "imply" => Open::Formula(Kind::Imply, Vec::new()),
            "atleast" => Open::Formula(Kind::AtLeast(self.number(e, "min", at)?), Vec::new()),
            "cardinality" => Open::Formula(Kind::Cardinality(self.number(e, "min", at)?, self.number(e, "max", at)?), Vec::new()),
            other => {
                let hint = "fault trees with gates, basic events of a stated probability and house events are read";
                return Err(self.wrong(at, format!("`{other}` is not read here"), hint));
            }
        };
        if matches!(open, Open::Formula(..)) && !holds_formulas {
            return Err(self.wrong(at, format!("`{element}` stands outside of a gate"), ""));
        }
        if matches!(open, Open::Gate(..) | Open::Event(..) | Open::House(..)) && !matches!(self.open.last(), Some((Open::Around, _))) {
            return Err(self.wrong(at, format!("`{element}` stands inside of another definition"), "or outside of `opsa-mef`"));
        }
        self.open.push((open, at));
        Ok(())
    }

    /// Puts a formula where it stands.
    fn formula(&mut self, f: Formula, at: Place) -> Result<(), ReadError> {
        self.formulas += 1;
        match self.open.last_mut() {
            Some((Open::Formula(_, inputs), _)) => inputs.push(f),
            Some((Open::Gate(_, formula @ None), _)) => *formula = Some(f),
            Some((Open::Gate(name, _), _)) => {
                let what = format!("the gate `{name}` has two formulas");
                return Err(self.wrong(at, what, "put them into one `and` or `or`"));
            }
            _ => return Err(self.wrong(at, "a formula stands outside of a gate", "")),
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), ReadError> {
        let Some((open, at)) = self.open.pop() else { return Ok(()) };
        let (name, definition) = match open {
            Open::Around | Open::Aside => return Ok(()),
            Open::Formula(kind, inputs) => {
                let n = inputs.len();
                let fits = match kind {
                    Kind::Not => n == 1,
                    Kind::Iff | Kind::Imply => n == 2,
                    Kind::AtLeast(least) => least <= n && n > 0,
                    Kind::Cardinality(least, most) => least <= most && most <= n && n > 0,
                    _ => n > 0,
                };
                if !fits {
                    return Err(self.wrong(
                        at,
                        format!("{n} inputs do not fit this formula"),
                        "`not` has one, `iff` and `imply` two, the others at least one and as many as they ask for",
                    ));
                }
                return self.formula(Formula::Gate(kind, inputs), at);
            }
            Open::Gate(name, Some(formula)) => {
                self.gates.push(name.clone());
                (name, Definition::Gate(formula))
            }
            Open::Gate(name, None) => return Err(self.wrong(at, format!("the gate `{name}` has no formula"), "")),
            Open::Event(name, Some(p)) => (name, Definition::Event(p)),
            Open::Event(name, None) => return Err(self.wrong(at, format!("the basic event `{name}` has no probability"), "<float value=\"0.01\"/>")),
            Open::House(name, value) => (name, Definition::House(value.unwrap_or(false))),
        };
        if let Some((_, before)) = self.definitions.get(&name) {
            let what = format!("`{name}` is defined twice, first in line {}", place(self.text, *before).0);
            return Err(self.wrong(at, what, "names are known in the whole model: give one of them another"));
        }
        self.definitions.insert(name, (definition, at));
        Ok(())
    }

    /// Everything together, from the gate that no other rests on.
    fn tree(&self) -> Result<FaultTree, ReadError> {
        let mut used = rustc_hash::FxHashSet::default();
        for name in &self.gates {
            if let Some((Definition::Gate(f), _)) = self.definitions.get(name) {
                names(f, &mut |n, _| {
                    used.insert(n.to_owned());
                });
            }
        }
        let tops: Vec<&String> = self.gates.iter().filter(|g| !used.contains(*g)).collect();
        let top = match tops[..] {
            [top] => top.clone(),
            [] if self.gates.is_empty() => return Err(self.wrong(0, "the model has no gate", "<define-gate name=\"top\"> with a formula in it")),
            [] => return Err(self.wrong(0, "every gate rests on another", "the top gate is the one that no other names")),
            _ => {
                let list: Vec<&str> = tops.iter().take(5).map(|t| t.as_str()).collect();
                return Err(self.wrong(
                    self.definitions[tops[1]].1,
                    format!("{} gates are under no other: {}", tops.len(), list.join(", ")),
                    "leave only the top gate without a gate above it",
                ));
            }
        };
        let mut made =
            Made { of: self, builder: Builder::new(), literals: FxHashMap::default(), events: Vec::new(), probabilities: Vec::new(), gates: 0 };
        let literal = made.gate(&top)?;
        Ok(FaultTree { top, structure: made.builder.finish(literal), events: made.events, probabilities: made.probabilities, gates: made.gates })
    }
}

/// Calls `f` with every name in a formula.
fn names<'a>(formula: &'a Formula, f: &mut dyn FnMut(&'a str, Place)) {
    match formula {
        Formula::Name(name, at) => f(name, *at),
        Formula::Constant(_) => {}
        Formula::Gate(_, inputs) => inputs.iter().for_each(|i| names(i, f)),
    }
}

struct Made<'a> {
    of: &'a Document<'a>,
    builder: Builder,
    literals: FxHashMap<&'a str, Literal>,
    events: Vec<String>,
    probabilities: Vec<f64>,
    gates: usize,
}

impl<'a> Made<'a> {
    /// A gate, and before it every gate that it rests on, however deep.
    fn gate(&mut self, top: &str) -> Result<Literal, ReadError> {
        let of = self.of;
        // Gates that are being made, with their names still to be looked at.
        let mut open: Vec<(&'a str, Vec<(&'a str, Place)>)> = Vec::new();
        let mut opened: FxHashMap<&'a str, ()> = FxHashMap::default();
        let begin = |name: &str| -> Option<(&'a str, Vec<(&'a str, Place)>)> {
            let (key, (Definition::Gate(formula), _)) = of.definitions.get_key_value(name)? else { return None };
            let mut list = Vec::new();
            names(formula, &mut |n, at| list.push((n, at)));
            Some((key, list))
        };
        open.extend(begin(top));
        opened.extend(open.iter().map(|o| (o.0, ())));
        while let Some((gate, waiting)) = open.last_mut() {
            let gate = *gate;
            let Some((name, at)) = waiting.pop() else {
                open.pop();
                opened.remove(gate);
                if let Some((Definition::Gate(formula), _)) = of.definitions.get(gate) {
                    let literal = self.formula(formula);
                    self.literals.insert(gate, literal);
                    self.gates += 1;
                }
                continue;
            };
            if self.literals.contains_key(name) {
                continue;
            }
            match of.definitions.get_key_value(name) {
                None => return Err(of.wrong(at, format!("`{name}` is not defined"), "a gate, basic event or house event of this name is needed")),
                Some((key, (Definition::Event(p), _))) => {
                    let literal = self.builder.event(self.events.len());
                    self.events.push(key.clone());
                    self.probabilities.push(*p);
                    self.literals.insert(key, literal);
                }
                Some((key, (Definition::House(value), _))) => {
                    let literal = self.builder.constant(*value);
                    self.literals.insert(key, literal);
                }
                Some((key, _)) if opened.contains_key(key.as_str()) => {
                    return Err(of.wrong(at, format!("the gate `{name}` rests on itself"), "a fault tree has no cycle"));
                }
                Some((key, _)) => {
                    opened.insert(key, ());
                    open.extend(begin(key));
                }
            }
        }
        Ok(self.literals[top])
    }

    /// A formula whose names are all known; as deep as elements stand inside each other.
    fn formula(&mut self, formula: &Formula) -> Literal {
        let (kind, inputs) = match formula {
            Formula::Name(name, _) => return self.literals[name.as_str()],
            Formula::Constant(value) => return self.builder.constant(*value),
            Formula::Gate(kind, inputs) => (*kind, inputs),
        };
        let inputs: Vec<Literal> = inputs.iter().map(|i| self.formula(i)).collect();
        let b = &mut self.builder;
        match kind {
            Kind::And => b.all(inputs),
            Kind::Or => b.any(inputs),
            Kind::Nor => !b.any(inputs),
            Kind::Nand => !b.all(inputs),
            Kind::Not => !inputs[0],
            Kind::Xor => b.odd(inputs),
            Kind::Iff => !b.odd(inputs),
            Kind::Imply => b.any([!inputs[0], inputs[1]]),
            Kind::AtLeast(least) => b.at_least(least, inputs),
            Kind::Cardinality(least, most) => {
                let enough = b.at_least(least, inputs.iter().copied());
                let too_many = b.at_least(most + 1, inputs);
                b.all([enough, !too_many])
            }
        }
    }
}
