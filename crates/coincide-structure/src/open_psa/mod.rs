//! Fault trees in the Open-PSA Model Exchange Format (version 2.0d): definitions of gates, basic events, house events, parameters and groups with a common cause, in one file or several.
//!
//! A definition may stand before or after its use. Whatever of the format is not read is refused by its name and place: nothing is left out silently. Neither a document type nor an entity of the
//! file's own is read, and formulas and files have a size that they may not exceed.

mod tree;
mod values;

use crate::shocks::CauseModel;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use rustc_hash::FxHashMap;
use std::rc::Rc;
use values::Operator;

pub use tree::{FaultTree, TreeDraw, TreeGroup};

/// Formulas inside each other.
const DEEPEST: usize = 500;
/// Bytes of all files of a model.
const LARGEST: usize = 512 << 20;
/// Files of a model.
const MOST_FILES: usize = 1000;

/// How a model is read.
pub struct TreeOptions<'a> {
    /// Hours that `system-mission-time` stands for.
    pub mission_time: f64,
    /// Shocks of common causes have the probability Q_k itself, as in other fault-tree tools; else members keep their rate (see [`CauseModel::probabilities`]).
    pub rare_event_parameters: bool,
    /// The bytes of a file that the model includes, by the name that stands there.
    pub include: &'a dyn Fn(&str) -> Result<Vec<u8>, String>,
}

impl Default for TreeOptions<'_> {
    /// A year, rates kept, and no other files.
    fn default() -> Self {
        TreeOptions { mission_time: 8760.0, rare_event_parameters: false, include: &|_| Err("no other files are read here".into()) }
    }
}

/// Something in a fault tree is not what it has to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{line}:{column}: {what}", file.as_ref().map(|f| format!("{f}:")).unwrap_or_default())]
pub struct ReadError {
    /// The included file that it is in; absent in the model's own.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What was found and what was expected.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A byte of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    file: u32,
    byte: usize,
}

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

/// A value, or how it follows from others.
#[derive(Debug, Clone)]
enum Value {
    Parameter(String, Place),
    Of(Operator, Vec<Value>),
}

#[derive(Debug)]
enum Definition {
    Gate(Formula),
    House(bool),
    /// A member of a group needs no probability of its own.
    Event(Option<Value>),
}

/// A group of basic events with a common cause.
#[derive(Debug)]
struct Group {
    name: String,
    model: CauseModel,
    members: Vec<(String, Place)>,
    rate: Option<Value>,
    factors: Vec<(Option<usize>, Value)>,
}

/// What stands open.
enum Open {
    /// An element that only holds others.
    Around,
    Gate(String, Option<Formula>),
    Event(String, Option<Value>),
    House(String, Option<bool>),
    Formula(Kind, Vec<Formula>),
    Parameter(String, Option<Value>),
    Value(Operator, Vec<Value>),
    Group(Box<Group>),
    Members(Vec<(String, Place)>),
    /// The rate of a group's members.
    Rate(Option<Value>),
    Factors,
    Factor(Option<usize>, Option<Value>),
    /// A label or attributes: read over.
    Aside,
}

struct Document<'a> {
    options: &'a TreeOptions<'a>,
    /// Name and text of each.
    files: Vec<(Option<String>, Rc<str>)>,
    /// Names of included files that are being read.
    including: Vec<String>,
    bytes: usize,
    definitions: FxHashMap<String, (Definition, Place)>,
    parameters: FxHashMap<String, (Value, Place)>,
    groups: Vec<(Group, Place)>,
    /// Names of gates as they stand.
    gates: Vec<String>,
    open: Vec<(Open, Place)>,
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
    read_open_psa_with(bytes, &TreeOptions::default())
}

/// The same with options.
///
/// Fails as [`read_open_psa`], and on files that cannot be included.
pub fn read_open_psa_with(bytes: &[u8], options: &TreeOptions<'_>) -> Result<FaultTree, ReadError> {
    let mut d = Document {
        options,
        files: Vec::new(),
        including: Vec::new(),
        bytes: 0,
        definitions: FxHashMap::default(),
        parameters: FxHashMap::default(),
        groups: Vec::new(),
        gates: Vec::new(),
        open: Vec::new(),
    };
    d.read(None, bytes)?;
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
        let (file, text) = &self.files[at.file as usize];
        let (line, column) = place(text, at.byte);
        ReadError { file: file.clone(), line, column, what: what.into(), hint: (!hint.is_empty()).then(|| hint.to_owned()) }
    }

    /// Reads a file into the model.
    fn read(&mut self, name: Option<String>, bytes: &[u8]) -> Result<(), ReadError> {
        let refused = |line, column, what: String, hint: &str| ReadError { file: name.clone(), line, column, what, hint: Some(hint.to_owned()) };
        self.bytes += bytes.len();
        if self.bytes > LARGEST {
            return Err(refused(1, 1, format!("the model has more than {LARGEST} bytes"), "split the model"));
        }
        let text = std::str::from_utf8(bytes).map_err(|e| {
            let (line, column) = place(&String::from_utf8_lossy(&bytes[..e.valid_up_to()]), e.valid_up_to());
            refused(line, column, "this is not UTF-8".into(), "save the file as UTF-8")
        })?;
        let text: Rc<str> = text.into();
        let file = self.files.len() as u32;
        self.files.push((name, text.clone()));
        let text = &*text;
        // Elements that stand open around an inclusion.
        let around = self.open.len();
        let here = |byte: usize| Place { file, byte };
        let mut reader = Reader::from_str(text);
        loop {
            let at = here(reader.buffer_position() as usize);
            let event = reader
                .read_event()
                .map_err(|e| self.wrong(here(reader.error_position() as usize), format!("this is not well-formed XML: {e}"), ""))?;
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
                Event::Eof if self.open.len() == around => return Ok(()),
                Event::Eof => return Err(self.wrong(here(text.len()), "the file ends within an element", "it may have been cut off")),
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
                if !value.is_finite() {
                    return Err(self.wrong(at, format!("`{value}` is no value"), "a number, as 0.01 or 2"));
                }
                self.value(Value::Of(Operator::Number(value), Vec::new()), at)?;
                Open::Aside
            }
            "parameter" => {
                let name = self.needed(e, "name", at)?;
                self.value(Value::Parameter(name, at), at)?;
                Open::Aside
            }
            "define-parameter" => Open::Parameter(self.needed(e, "name", at)?, None),
            "define-CCF-group" => Open::Group(Box::new(Group {
                name: self.needed(e, "name", at)?,
                model: self.cause_model(e, at)?,
                members: Vec::new(),
                rate: None,
                factors: Vec::new(),
            })),
            "members" | "distribution" | "factors" if matches!(self.open.last(), Some((Open::Group(_), _))) => match element.as_str() {
                "members" => Open::Members(Vec::new()),
                "distribution" => Open::Rate(None),
                _ => Open::Factors,
            },
            "factor" if matches!(self.open.last(), Some((Open::Group(_) | Open::Factors, _))) => {
                let level = if self.attribute(e, "level", at)?.is_some() { Some(self.number(e, "level", at)?) } else { None };
                Open::Factor(level, None)
            }
            "include" if matches!(self.open.last(), None | Some((Open::Around, _))) => {
                let name = self.needed(e, "file", at)?;
                if self.files.len() >= MOST_FILES {
                    return Err(self.wrong(at, format!("more than {MOST_FILES} files are included"), "put some of them together"));
                }
                if self.including.contains(&name) {
                    return Err(self.wrong(at, format!("`{name}` includes itself"), "leave the inclusion out"));
                }
                let bytes = (self.options.include)(&name).map_err(|why| self.wrong(at, format!("`{name}` cannot be included: {why}"), ""))?;
                self.open.push((Open::Around, at));
                self.including.push(name.clone());
                self.read(Some(name), &bytes)?;
                self.including.pop();
                self.open.pop();
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
            "basic-event" if matches!(self.open.last(), Some((Open::Members(_), _))) => {
                let name = self.needed(e, "name", at)?;
                if let Some((Open::Members(list), _)) = self.open.last_mut() {
                    list.push((name, at));
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
            other if let Some(operator) = Operator::of(other).filter(|_| self.wants_value()) => Open::Value(operator, Vec::new()),
            other => {
                let hint = "read are gates, basic events, house events, parameters, their values and groups with a common cause";
                return Err(self.wrong(at, format!("`{other}` is not read here"), hint));
            }
        };
        if matches!(open, Open::Formula(..)) && !holds_formulas {
            return Err(self.wrong(at, format!("`{element}` stands outside of a gate"), ""));
        }
        if matches!(open, Open::Gate(..) | Open::Event(..) | Open::House(..) | Open::Parameter(..) | Open::Group(_))
            && !matches!(self.open.last(), Some((Open::Around, _)))
        {
            return Err(self.wrong(at, format!("`{element}` stands inside of another definition"), "or outside of `opsa-mef`"));
        }
        self.open.push((open, at));
        Ok(())
    }

    /// Puts a formula where it stands.
    fn formula(&mut self, f: Formula, at: Place) -> Result<(), ReadError> {
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

    /// Whether a value may stand here.
    fn wants_value(&self) -> bool {
        matches!(self.open.last(), Some((Open::Event(..) | Open::Parameter(..) | Open::Value(..) | Open::Rate(_) | Open::Factor(..), _)))
    }

    /// Puts a value where it stands.
    fn value(&mut self, value: Value, at: Place) -> Result<(), ReadError> {
        match self.open.last_mut() {
            Some((Open::Value(_, arguments), _)) => arguments.push(value),
            Some((Open::Event(_, v @ None) | Open::Parameter(_, v @ None) | Open::Rate(v @ None) | Open::Factor(_, v @ None), _)) => *v = Some(value),
            Some((Open::Event(name, _) | Open::Parameter(name, _), _)) => {
                let what = format!("`{name}` has two values");
                return Err(self.wrong(at, what, "one value"));
            }
            Some((Open::Rate(_) | Open::Factor(..), _)) => return Err(self.wrong(at, "a second value stands here", "one value")),
            _ => return Err(self.wrong(at, "a value stands outside of what has one", "basic events, parameters and groups have values")),
        }
        Ok(())
    }

    fn cause_model(&self, e: &BytesStart<'_>, at: Place) -> Result<CauseModel, ReadError> {
        let name = self.needed(e, "model", at)?;
        Ok(match name.as_str() {
            "beta-factor" => CauseModel::Beta,
            "MGL" => CauseModel::Mgl,
            "alpha-factor" => CauseModel::Alpha,
            "phi-factor" => CauseModel::Phi,
            _ => return Err(self.wrong(at, format!("`{name}` is no model of a common cause"), "beta-factor, MGL, alpha-factor and phi-factor are")),
        })
    }

    /// The group that is being read.
    fn group(&mut self) -> Option<&mut Group> {
        self.open.iter_mut().rev().find_map(|o| if let Open::Group(g) = &mut o.0 { Some(&mut **g) } else { None })
    }

    fn end(&mut self) -> Result<(), ReadError> {
        let Some((open, at)) = self.open.pop() else { return Ok(()) };
        let (name, definition) = match open {
            Open::Around | Open::Aside | Open::Factors => return Ok(()),
            Open::Value(operator, arguments) => {
                let n = arguments.len();
                // A bin stands in its histogram: its two numbers are the histogram's.
                if operator == Operator::Bin {
                    let Some((Open::Value(Operator::Histogram, list), _)) = self.open.last_mut().filter(|_| n == 2) else {
                        return Err(self.wrong(at, "a `bin` has an upper end and a weight, and stands in a `histogram`", ""));
                    };
                    list.extend(arguments);
                    return Ok(());
                }
                if !operator.takes(n) {
                    return Err(self.wrong(at, format!("{n} arguments do not fit this value"), "the format says how many each has"));
                }
                return self.value(Value::Of(operator, arguments), at);
            }
            Open::Members(list) => {
                if let Some(g) = self.group() {
                    g.members.extend(list);
                }
                return Ok(());
            }
            Open::Rate(value) => {
                let value = value.ok_or_else(|| self.wrong(at, "`distribution` has no value", "<float value=\"0.01\"/>"))?;
                if self.group().is_some_and(|g| g.rate.replace(value).is_some()) {
                    return Err(self.wrong(at, "the group has two distributions", "one is the rate of every member"));
                }
                return Ok(());
            }
            Open::Factor(level, value) => {
                let value = value.ok_or_else(|| self.wrong(at, "`factor` has no value", "<float value=\"0.1\"/>"))?;
                if let Some(g) = self.group() {
                    g.factors.push((level, value));
                }
                return Ok(());
            }
            Open::Group(group) => {
                self.groups.push((*group, at));
                return Ok(());
            }
            Open::Parameter(name, value) => {
                let value = value.ok_or_else(|| self.wrong(at, format!("the parameter `{name}` has no value"), "<float value=\"0.01\"/>"))?;
                if let Some((_, before)) = self.parameters.get(&name) {
                    let what = format!("the parameter `{name}` is defined twice, first in line {}", self.wrong(*before, "", "").line);
                    return Err(self.wrong(at, what, "keep one of the two"));
                }
                self.parameters.insert(name, (value, at));
                return Ok(());
            }
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
            Open::Event(name, Some(Value::Of(Operator::Number(p), _))) if !(0.0..=1.0).contains(&p) => {
                return Err(self.wrong(at, format!("`{name}` cannot have the probability {p}"), "one probability, from 0 to 1"));
            }
            Open::Event(name, p) => (name, Definition::Event(p)),
            Open::House(name, value) => (name, Definition::House(value.unwrap_or(false))),
        };
        if let Some((_, before)) = self.definitions.get(&name) {
            let what = format!("`{name}` is defined twice, first in line {}", self.wrong(*before, "", "").line);
            return Err(self.wrong(at, what, "names are known in the whole model: give one of them another"));
        }
        self.definitions.insert(name, (definition, at));
        Ok(())
    }
}
