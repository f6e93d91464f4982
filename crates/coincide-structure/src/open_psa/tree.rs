//! From definitions to a fault tree: the structure under the top gate, its events, and what their probabilities follow from.

use super::values::Values;
use super::{DEEPEST, Definition, Document, Formula, Group, Kind, Place, ReadError, Value};
use crate::graph::{Builder, Literal, Structure};
use crate::shocks::{CauseModel, MOST_MEMBERS, shocks};
use rand::RngCore;
use rustc_hash::{FxHashMap, FxHashSet};

/// A fault tree.
#[derive(Debug, Clone)]
pub struct FaultTree {
    /// The top gate.
    pub top: String,
    /// What fails.
    pub structure: Structure,
    /// Names of the events that the top gate rests on, by their numbers in the structure. A shock of a common cause is an event, named by the members that it takes: `[a b]`.
    pub events: Vec<String>,
    /// Their probabilities, where distributions are at their means.
    pub probabilities: Vec<f64>,
    /// Gates that the top gate rests on, itself among them.
    pub gates: usize,
    /// Groups with a common cause of which the top gate names a member.
    pub groups: Vec<TreeGroup>,
    values: Values,
    sources: Vec<Source>,
    rules: Vec<Rule>,
    mission_time: f64,
}

/// A group of basic events with a common cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeGroup {
    /// Name.
    pub name: String,
    /// Members.
    pub members: Vec<String>,
    /// Its shocks, as events, with the members that each takes as the bits of a number.
    pub shocks: Vec<(usize, u32)>,
}

/// Probabilities drawn from what the model says about them.
#[derive(Debug, Clone, PartialEq)]
pub struct TreeDraw {
    /// By event.
    pub probabilities: Vec<f64>,
    /// How many lay below 0 or above 1 and were set to it.
    pub clipped: usize,
}

/// What an event's probability is.
#[derive(Debug, Clone, Copy)]
enum Source {
    Value(u32),
    /// A shock of so many members of a group.
    Shock(usize, u32),
}

/// How a group's shocks follow from values.
#[derive(Debug, Clone)]
struct Rule {
    model: CauseModel,
    rate: u32,
    factors: Vec<u32>,
    members: usize,
    as_they_are: bool,
}

impl Rule {
    fn shocks(&self, values: &[f64]) -> Vec<f64> {
        let factors: Vec<f64> = self.factors.iter().map(|&f| values[f as usize]).collect();
        let q = values[self.rate as usize].clamp(0.0, 1.0);
        let rates = self.model.shares(&factors, self.members).into_iter().map(|s| s * q).collect();
        self.model.probabilities(rates, q, self.as_they_are)
    }
}

impl FaultTree {
    /// Whether any probability is known only as a distribution.
    pub fn uncertain(&self) -> bool {
        self.values.uncertain()
    }

    /// Probabilities with every distribution drawn once: events that rest on one parameter move together.
    ///
    /// ```
    /// use rand::SeedableRng;
    /// let model = r#"<opsa-mef><define-fault-tree name="t">
    ///     <define-gate name="top"><or><basic-event name="a"/><basic-event name="b"/></or></define-gate>
    ///     <define-basic-event name="a"><parameter name="p"/></define-basic-event>
    ///     <define-basic-event name="b"><parameter name="p"/></define-basic-event>
    ///     <define-parameter name="p"><uniform-deviate><float value="0"/><float value="0.2"/></uniform-deviate></define-parameter>
    /// </define-fault-tree></opsa-mef>"#;
    /// let tree = coincide_structure::read_open_psa(model.as_bytes())?;
    /// assert_eq!(tree.probabilities, [0.1, 0.1]);
    /// let drawn = tree.draw(&mut rand_chacha::ChaCha8Rng::seed_from_u64(1)).probabilities;
    /// assert!(drawn[0] == drawn[1] && drawn[0] != 0.1);
    /// # Ok::<(), coincide_structure::ReadError>(())
    /// ```
    pub fn draw(&self, rng: &mut dyn RngCore) -> TreeDraw {
        let (mut probabilities, mut clipped) = (self.work_out(&self.values.all(self.mission_time, Some(rng))), 0);
        for p in &mut probabilities {
            if !(0.0..=1.0).contains(p) {
                clipped += 1;
                *p = if *p > 1.0 { 1.0 } else { 0.0 };
            }
        }
        TreeDraw { probabilities, clipped }
    }

    fn work_out(&self, values: &[f64]) -> Vec<f64> {
        let shocks: Vec<Vec<f64>> = self.rules.iter().map(|r| r.shocks(values)).collect();
        let one = |s: &Source| match *s {
            Source::Value(v) => values[v as usize],
            Source::Shock(group, members) => shocks[group][members as usize - 1],
        };
        self.sources.iter().map(one).collect()
    }
}

impl Document<'_> {
    /// Everything together, from the gate that no other rests on.
    pub(super) fn tree(&self) -> Result<FaultTree, ReadError> {
        let beginning = Place { file: 0, byte: 0 };
        let mut used = FxHashSet::default();
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
            [] if self.gates.is_empty() => {
                return Err(self.wrong(beginning, "the model has no gate", "<define-gate name=\"top\"> with a formula in it"));
            }
            [] => return Err(self.wrong(beginning, "every gate rests on another", "the top gate is the one that no other names")),
            _ => {
                let list: Vec<&str> = tops.iter().take(5).map(|t| t.as_str()).collect();
                return Err(self.wrong(
                    self.definitions[tops[1]].1,
                    format!("{} gates are under no other: {}", tops.len(), list.join(", ")),
                    "leave only the top gate without a gate above it",
                ));
            }
        };
        let mut groups: FxHashMap<&str, (usize, usize)> = FxHashMap::default();
        for (at, (group, place)) in self.groups.iter().enumerate() {
            self.check_group(group, *place)?;
            for (number, (name, place)) in group.members.iter().enumerate() {
                if groups.insert(name, (at, number)).is_some() {
                    return Err(self.wrong(
                        *place,
                        format!("`{name}` is a member of two groups, or twice of one"),
                        "the format has each event in one group",
                    ));
                }
                match self.definitions.get(name) {
                    None | Some((Definition::Event(None), _)) => {}
                    Some((_, place)) => {
                        let what = format!("`{name}` is a member of the group `{}`, and is defined here as well", group.name);
                        return Err(self.wrong(*place, what, "leave its value to the group"));
                    }
                }
            }
        }
        let mut made = Made {
            of: self,
            builder: Builder::new(),
            literals: FxHashMap::default(),
            events: Vec::new(),
            sources: Vec::new(),
            gates: 0,
            memberships: groups,
            known_groups: FxHashMap::default(),
            groups: Vec::new(),
            rules: Vec::new(),
            values: Values::default(),
            parameters: FxHashMap::default(),
            places: Vec::new(),
        };
        let literal = made.gate(&top)?;
        let mut tree = FaultTree {
            top,
            structure: made.builder.finish(literal),
            events: made.events,
            probabilities: Vec::new(),
            gates: made.gates,
            groups: made.groups,
            values: made.values,
            sources: made.sources,
            rules: made.rules,
            mission_time: self.options.mission_time,
        };
        let means = tree.values.all(tree.mission_time, None);
        if let Some(why) = tree.values.misfit(&means) {
            return Err(self.wrong(beginning, format!("a distribution of the model does not fit: {why}"), "look at the deviates"));
        }
        for (rule, (_, (group, place))) in tree.rules.iter().zip(made.places.iter().map(|g| (g, &self.groups[*g]))) {
            let numbers = rule.factors.iter().chain([&rule.rate]).map(|&v| means[v as usize]);
            if let Some(x) = numbers.into_iter().find(|x| !(0.0..=1.0).contains(x)) {
                return Err(self.wrong(*place, format!("the group `{}` has a rate or factor of {x}", group.name), "each lies between 0 and 1"));
            }
            if group.model == CauseModel::Alpha && rule.factors.iter().all(|&f| means[f as usize] <= 0.0) {
                return Err(self.wrong(*place, format!("all factors of the group `{}` are 0", group.name), "one at least is above 0"));
            }
        }
        tree.probabilities = tree.work_out(&means);
        if let Some(bad) = tree.probabilities.iter().position(|p| !(0.0..=1.0).contains(p)) {
            let (name, p) = (&tree.events[bad], tree.probabilities[bad]);
            let at = self.definitions.get(name).map_or(beginning, |d| d.1);
            return Err(self.wrong(at, format!("`{name}` cannot have the probability {p}"), "one probability, from 0 to 1"));
        }
        Ok(tree)
    }

    fn check_group(&self, group: &Group, at: Place) -> Result<(), ReadError> {
        let (m, name) = (group.members.len(), &group.name);
        if !(2..=MOST_MEMBERS).contains(&m) {
            return Err(self.wrong(at, format!("the group `{name}` has {m} members"), "2 to 12 are read: there is a shock for every set of them"));
        }
        if group.rate.is_none() {
            return Err(self.wrong(at, format!("the group `{name}` has no `distribution`"), "the rate of every member"));
        }
        let needed = group.model.factors(m);
        // Levels, where they are given, say for how many members a factor is.
        let first = if matches!(group.model, CauseModel::Mgl) { 2 } else { 1 };
        let in_order = group.factors.iter().enumerate().all(|(i, f)| f.0.is_none_or(|l| l == i + first || matches!(group.model, CauseModel::Beta)));
        if group.factors.len() != needed || !in_order {
            let what = format!(
                "the group `{name}` has {} factors; this model needs {needed} for {m} members, by ascending level from {first}",
                group.factors.len()
            );
            return Err(self.wrong(at, what, "<factor level=\"2\"><float value=\"0.1\"/></factor>"));
        }
        Ok(())
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
    sources: Vec<Source>,
    gates: usize,
    /// Group and number of every member.
    memberships: FxHashMap<&'a str, (usize, usize)>,
    /// Literals of the members of groups that were met.
    known_groups: FxHashMap<usize, Vec<Literal>>,
    groups: Vec<TreeGroup>,
    rules: Vec<Rule>,
    values: Values,
    parameters: FxHashMap<&'a str, Option<u32>>,
    /// Which of the document's groups each is.
    places: Vec<usize>,
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
            if let Some(&(group, number)) = self.memberships.get(name) {
                let literal = self.member(group, number)?;
                self.literals.insert(name, literal);
                continue;
            }
            match of.definitions.get_key_value(name) {
                None => return Err(of.wrong(at, format!("`{name}` is not defined"), "a gate, basic event or house event of this name is needed")),
                Some((key, (Definition::Event(Some(p)), _))) => {
                    let source = Source::Value(self.value(p, 0)?);
                    let literal = self.event(key.clone(), source);
                    self.literals.insert(key, literal);
                }
                Some((key, (Definition::Event(None), at))) => {
                    return Err(of.wrong(*at, format!("the basic event `{key}` has no probability"), "<float value=\"0.01\"/>"));
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

    fn event(&mut self, name: String, source: Source) -> Literal {
        let literal = self.builder.event(self.events.len());
        self.events.push(name);
        self.sources.push(source);
        literal
    }

    /// A member of a group fails with any shock that takes it. The group's shocks are made with the first of its members.
    fn member(&mut self, group: usize, number: usize) -> Result<Literal, ReadError> {
        if let Some(known) = self.known_groups.get(&group) {
            return Ok(known[number]);
        }
        let g = &self.of.groups[group].0;
        let m = g.members.len();
        let rate = g.rate.as_ref().map_or(Ok(0), |v| self.value(v, 0))?;
        let factors = g.factors.iter().map(|f| self.value(&f.1, 0)).collect::<Result<Vec<_>, _>>()?;
        let rule = Rule { model: g.model, rate, factors, members: m, as_they_are: self.of.options.rare_event_parameters };
        // Which shocks there can be, whatever the rate is.
        let mut values = self.values.all(self.of.options.mission_time, None);
        values[rate as usize] = values[rate as usize].max(1e-9);
        let list = shocks(m, &rule.shocks(&values));
        let mut inputs: Vec<Vec<Literal>> = vec![Vec::new(); m];
        let mut own = Vec::with_capacity(list.len());
        for (set, _) in list {
            let members = (0..m).filter(|i| set >> i & 1 == 1);
            let names: Vec<&str> = members.clone().map(|i| g.members[i].0.as_str()).collect();
            let name = if let [one] = names[..] { one.to_owned() } else { format!("[{}]", names.join(" ")) };
            own.push((self.events.len(), set));
            let event = self.event(name, Source::Shock(self.rules.len(), set.count_ones()));
            members.for_each(|i| inputs[i].push(event));
        }
        let members: Vec<Literal> = inputs.into_iter().map(|list| self.builder.any(list)).collect();
        let out = members[number];
        self.known_groups.insert(group, members);
        self.groups.push(TreeGroup { name: g.name.clone(), members: g.members.iter().map(|m| m.0.clone()).collect(), shocks: own });
        self.rules.push(rule);
        self.places.push(group);
        Ok(out)
    }

    /// A value among all values; parameters once each.
    fn value(&mut self, value: &'a Value, depth: usize) -> Result<u32, ReadError> {
        match value {
            Value::Of(operator, arguments) => {
                let arguments = arguments.iter().map(|a| self.value(a, depth + 1)).collect::<Result<Vec<_>, _>>()?;
                Ok(self.values.push(*operator, arguments))
            }
            Value::Parameter(name, at) => {
                match self.parameters.get(name.as_str()) {
                    Some(Some(known)) => return Ok(*known),
                    Some(None) => return Err(self.of.wrong(*at, format!("the parameter `{name}` rests on itself"), "")),
                    None => {}
                }
                let Some((key, (inner, _))) = self.of.parameters.get_key_value(name) else {
                    return Err(self.of.wrong(*at, format!("the parameter `{name}` is not defined"), "<define-parameter name=\"…\"> is needed"));
                };
                if depth > DEEPEST {
                    return Err(self.of.wrong(*at, format!("parameters rest on each other more than {DEEPEST} deep"), "put some of them together"));
                }
                self.parameters.insert(key, None);
                let made = self.value(inner, depth + 1)?;
                self.parameters.insert(key, Some(made));
                Ok(made)
            }
        }
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
