//! Attacks and benign prompts: read once, kept in an unnamed file on disk, and turned into queries in the order of the campaign.
//!
//! Memory is some tens of bytes a prompt; the prompts themselves stay on disk. Goals come in an order drawn from the seed, all queries of a goal one
//! after the other: whenever the campaign stops, the goals seen so far are a random sample of all, which is what makes the live interval valid.

use crate::campaign::Prompts;
use crate::campaign_file::CampaignFile;
use crate::error::Result;
use crate::layer::Message;
use crate::operators::Chain;
use crate::search::Line;
use coincide::{Label, Purpose, Seed};
use coincide_io::{Error, InputRecord, Rows, Shard};
use rand::seq::SliceRandom;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};

/// One prompt as it was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attack {
    /// Its name, unique.
    pub id: String,
    /// The text.
    pub prompt: String,
    /// A recorded answer for output layers.
    pub response: Option<String>,
    /// The goal: the cluster.
    pub goal: String,
    /// Family; empty where unknown.
    pub family: String,
    /// Language; empty where unknown.
    pub language: String,
    /// Further strata, in the campaign's order.
    pub strata: Vec<String>,
    /// Attack or benign.
    pub benign: bool,
}

/// One prompt put to every layer: a trial.
#[derive(Debug, Clone)]
pub struct Query {
    /// Its number: prompt × sequence × repeat, in file order.
    pub number: u64,
    /// Its name: the prompt's id, `~` and the operators, `#` and the repeat.
    pub trial: String,
    /// The prompt's id.
    pub attack: String,
    /// What was said to the target before, where it is a turn of a conversation.
    pub history: Vec<Message>,
    /// The rewritten prompt.
    pub prompt: String,
    /// A recorded answer.
    pub response: Option<String>,
    /// The goal.
    pub goal: String,
    /// The family.
    pub family: String,
    /// Attack or benign.
    pub label: Label,
    /// Whether it is the last of its goal and label.
    pub last_of_goal: bool,
    /// The operators' names.
    pub operator: String,
    /// Texts of the columns [`Attacks::columns`].
    pub cells: Vec<String>,
}

/// What a search sends.
#[derive(Clone, Copy)]
pub(crate) enum Sent<'a> {
    /// A prompt of the campaign after these operators.
    Rewritten(&'a Chain),
    /// What a model wrote.
    Said(&'a Line),
}

/// All prompts of a campaign, and how they become queries.
pub struct Attacks {
    spool: File,
    /// Where each record begins, and the end.
    offsets: Vec<u64>,
    goals: Vec<u32>,
    /// First benign prompt.
    benign_from: usize,
    /// Prompts in the order of the run.
    order: Vec<u32>,
    chains: Vec<Chain>,
    plain: usize,
    sample: Option<usize>,
    rewrite_benign: bool,
    repeats: u32,
    seed: Seed,
    strata: Vec<String>,
    varied: Vec<String>,
    responses: bool,
    /// The adaptive search that follows, by name.
    search: Option<String>,
    /// A model writes its prompts.
    converses: bool,
    /// Distinct goals of the attacks of this run.
    pub attack_goals: usize,
    /// Distinct families.
    pub families: Vec<String>,
    /// SHA-256 of all prompts with their names and columns.
    pub hash: String,
    /// The files.
    pub inputs: Vec<InputRecord>,
}

/// What is distinct in a column, as far as it matters: none, one, or several.
#[derive(Default)]
struct Varied {
    first: Option<String>,
    several: bool,
}

impl Varied {
    fn see(&mut self, text: &str) {
        match &self.first {
            None => self.first = Some(text.to_owned()),
            Some(f) => self.several |= f != text,
        }
    }
}

struct Reader {
    out: BufWriter<File>,
    offset: u64,
    offsets: Vec<u64>,
    goal_of: Vec<u32>,
    goals: FxHashMap<String, u32>,
    ids: FxHashSet<u128>,
    hash: Sha256,
    columns: Vec<Varied>,
    families: Vec<String>,
    inputs: Vec<InputRecord>,
    responses: bool,
}

/// Families that are watched by themselves; more are watched only in total.
const FAMILIES: usize = 200;

impl Attacks {
    /// Reads every prompt. Fails with file and row on a missing column, an empty prompt, a name that comes twice, and when there is no attack.
    pub fn read(file: &CampaignFile, shard: Option<Shard>) -> Result<Attacks> {
        let c = &file.campaign;
        let mut strata = c.attacks.strata.clone();
        let mut chosen = strata.clone();
        chosen.extend(c.benign.iter().flat_map(|b| &b.strata).cloned());
        strata.extend(c.benign.iter().flat_map(|b| &b.strata).filter(|s| !c.attacks.strata.contains(s)).cloned());
        // These have columns of their own; naming them only chooses them.
        strata.retain(|s| s != "family" && s != "language");
        let spool = tempfile::tempfile().map_err(temporary)?;
        let mut r = Reader {
            out: BufWriter::new(spool),
            offset: 0,
            offsets: vec![0],
            goal_of: Vec::new(),
            goals: FxHashMap::default(),
            ids: FxHashSet::default(),
            hash: Sha256::new(),
            columns: std::iter::repeat_with(Varied::default).take(strata.len() + 2).collect(),
            families: Vec::new(),
            inputs: Vec::new(),
            responses: false,
        };
        r.prompts(file, &c.attacks, false, &strata)?;
        let benign_from = r.goal_of.len();
        if benign_from == 0 {
            return Err(file.wrong(&[coincide_io::Key::Name("attacks")], "the files hold no prompt", "a row a prompt").into());
        }
        // A goal that benign prompts share with attacks is a cluster of its own kind.
        r.goals.clear();
        if let Some(b) = &c.benign {
            r.prompts(file, b, true, &strata)?;
        }
        let spool = r.out.into_inner().map_err(|e| temporary(e.into_error()))?;
        let count = r.goal_of.iter().map(|&g| g as usize + 1).max().unwrap_or(0);
        let mut rank: Vec<u32> = (0..count as u32).collect();
        rank.shuffle(&mut file.seed().stream(Purpose::Order, 0));
        let takes = |i: u32| shard.is_none_or(|s| rank[r.goal_of[i as usize] as usize] % s.of == s.index - 1);
        let mut order: Vec<u32> = (0..r.goal_of.len() as u32).filter(|&i| takes(i)).collect();
        order.sort_by_key(|&i| rank[r.goal_of[i as usize] as usize]);
        let attack_goals = order.iter().filter(|&&i| (i as usize) < benign_from).map(|&i| r.goal_of[i as usize]).collect::<FxHashSet<u32>>().len();
        let chains = file.chains()?;
        let plain = chains.iter().position(|c| c.0.is_empty()).unwrap_or(usize::MAX);
        // Columns that the campaign names say more than those that happen to be there.
        let names = ["family", "language"].map(str::to_owned).into_iter().chain(strata.iter().cloned());
        let seen = names.zip(&r.columns).filter(|(n, v)| v.several && (chosen.is_empty() || chosen.contains(n)));
        let mut varied: Vec<String> = seen.map(|(n, _)| n).collect();
        if chains.len() > 1 {
            varied.push("operator".into());
        }
        Ok(Attacks {
            spool,
            offsets: r.offsets,
            goals: r.goal_of,
            benign_from,
            order,
            plain,
            sample: c.operators.sample.filter(|&n| n < chains.len()),
            chains,
            rewrite_benign: c.operators.benign,
            repeats: c.repeats.unwrap_or(1),
            seed: file.seed(),
            strata,
            varied,
            responses: r.responses,
            search: c.adaptive.as_ref().map(|a| a.search.unwrap_or_default().word().to_owned()),
            converses: c.adaptive.as_ref().is_some_and(|a| a.search.unwrap_or_default().converses()),
            attack_goals,
            families: if r.families.len() > FAMILIES { Vec::new() } else { r.families },
            hash: r.hash.finalize().iter().map(|b| format!("{b:02x}")).collect(),
            inputs: r.inputs,
        })
    }

    /// Columns of text of every trial, before the layers.
    pub fn columns(&self) -> Vec<String> {
        let fixed = ["goal", "family", "language", "operator", "label"].map(str::to_owned);
        let search = self.search.iter().flat_map(|_| ["search", "query"]).chain(self.converses.then_some("node")).map(str::to_owned);
        fixed.into_iter().chain(self.strata.iter().cloned()).chain(search).collect()
    }

    /// Columns that differ between trials and so can be strata.
    pub fn varied(&self) -> &[String] {
        &self.varied
    }

    /// Prompts of each label in this run.
    pub fn prompts(&self) -> (usize, usize) {
        let benign = self.order.iter().filter(|&&i| self.is_benign(i)).count();
        (self.order.len() - benign, benign)
    }

    /// Trials of each label in this run.
    pub fn trials(&self) -> (u64, u64) {
        let (attacks, benign) = self.prompts();
        let each = |benign: bool| (self.chain_count(benign) * self.repeats as usize) as u64;
        (attacks as u64 * each(false), benign as u64 * each(true))
    }

    /// Number of the first benign query, whichever part of the campaign this is.
    pub fn benign_from(&self) -> u64 {
        self.benign_from as u64 * self.spread()
    }

    /// Number of the first query of an adaptive search, whichever part of the campaign this is.
    pub fn adaptive_from(&self) -> u64 {
        self.goals.len() as u64 * self.spread()
    }

    /// The attacks' goals in the order of the run: the places of their prompts, and their families.
    pub(crate) fn attacked_goals(&mut self) -> Result<Vec<(Vec<usize>, String)>> {
        let order: Vec<usize> = self.order.iter().map(|&i| i as usize).filter(|i| *i < self.benign_from).collect();
        let prompts: Vec<Vec<usize>> = order.chunk_by(|&a, &b| self.goals[a] == self.goals[b]).map(<[usize]>::to_vec).collect();
        prompts.into_iter().map(|of| self.attack(of[0]).map(|a| (of, a.family)).map_err(|e| temporary(e).into())).collect()
    }

    /// The text of a prompt.
    pub(crate) fn prompt(&mut self, place: usize) -> Result<String> {
        self.attack(place).map(|a| a.prompt).map_err(|e| temporary(e).into())
    }

    /// A query that a search makes: number `number` of it, the `at`-th on its goal.
    pub(crate) fn adaptive_query(&mut self, place: usize, sent: Sent<'_>, number: u64, at: u64) -> Result<Query> {
        let attack = self.attack(place).map_err(temporary)?;
        let search = self.search.clone().unwrap_or_default();
        let (prompt, operator, history, node) = match sent {
            Sent::Rewritten(chain) => {
                let prompt = chain.apply(&attack.prompt, &mut self.seed.stream(Purpose::Operators, (1 << 63) + number));
                (prompt, chain.name(), Vec::new(), None)
            }
            Sent::Said(line) => (line.prompt.clone(), search.clone(), line.history.clone(), Some(line.node.clone())),
        };
        let plain = matches!(sent, Sent::Rewritten(chain) if chain.0.is_empty());
        let known = |text: &String| if text.is_empty() { "unknown".to_owned() } else { text.clone() };
        let mut cells = vec![attack.goal.clone(), known(&attack.family), known(&attack.language), operator.clone(), "adaptive".into()];
        cells.extend(attack.strata.iter().map(known));
        cells.extend([search, at.to_string()]);
        cells.extend(node);
        let rewritten = if plain { String::new() } else { format!("~{operator}") };
        Ok(Query {
            number: self.adaptive_from() + number,
            trial: format!("{}{rewritten}@{at}", attack.id),
            attack: attack.id,
            history,
            prompt,
            response: attack.response.filter(|_| plain),
            goal: attack.goal,
            family: attack.family,
            label: Label::Adaptive,
            last_of_goal: false,
            operator,
            cells,
        })
    }

    /// Numbers that one prompt takes up.
    fn spread(&self) -> u64 {
        (self.chains.len() + 1) as u64 * u64::from(self.repeats)
    }

    /// Whether any prompt has a recorded answer.
    pub fn has_responses(&self) -> bool {
        self.responses
    }

    /// How many sequences each attack gets, where not all of them.
    pub fn sampled(&self) -> Option<usize> {
        self.sample
    }

    /// The operators in use.
    pub fn chain_names(&self) -> Vec<String> {
        self.chains.iter().map(Chain::name).collect()
    }

    fn is_benign(&self, i: u32) -> bool {
        i as usize >= self.benign_from
    }

    fn chain_count(&self, benign: bool) -> usize {
        if benign && !self.rewrite_benign { 1 } else { self.sample.unwrap_or(self.chains.len()) }
    }

    fn attack(&mut self, i: usize) -> std::io::Result<Attack> {
        let (from, to) = (self.offsets[i], self.offsets[i + 1]);
        self.spool.seek(SeekFrom::Start(from))?;
        let mut bytes = vec![0; (to - from) as usize];
        self.spool.read_exact(&mut bytes)?;
        serde_json::from_slice(&bytes).map_err(std::io::Error::from)
    }

    /// The sequences of one prompt, as indices.
    fn chains_of(&self, i: usize, benign: bool) -> Vec<usize> {
        if benign && !self.rewrite_benign {
            return vec![self.plain];
        }
        let Some(n) = self.sample else { return (0..self.chains.len()).collect() };
        // The plain prompt is always among them.
        let mut free: Vec<usize> = (0..self.chains.len()).filter(|&c| c != self.plain).collect();
        let (drawn, _) = free.partial_shuffle(&mut self.seed.stream(Purpose::Operators, 2 * i as u64), n);
        let mut picked: Vec<usize> =
            (self.plain < self.chains.len()).then_some(self.plain).into_iter().chain(drawn.iter().copied()).take(n).collect();
        picked.sort_unstable();
        picked
    }

    /// Calls `f` with the queries of one prompt until it says stop; whether to go on. Fails as `f` does, and when the temporary file cannot be read.
    fn queries(&mut self, i: usize, last: bool, f: &mut dyn FnMut(Query) -> Result<bool>) -> Result<bool> {
        let attack = self.attack(i).map_err(temporary)?;
        let chains = self.chains_of(i, attack.benign);
        let plain = Chain::default();
        for &c in &chains {
            let chain = self.chains.get(c).unwrap_or(&plain);
            let stream = (2 * i as u64 + 1).wrapping_add((c as u64) << 33);
            let prompt = chain.apply(&attack.prompt, &mut self.seed.stream(Purpose::Operators, stream));
            let operator = chain.name();
            for repeat in 0..self.repeats {
                let mut trial = attack.id.clone();
                if !chain.0.is_empty() {
                    trial += &format!("~{operator}");
                }
                if self.repeats > 1 {
                    trial += &format!("#{}", repeat + 1);
                }
                let label = if attack.benign { Label::Benign } else { Label::Attack };
                let word = if attack.benign { "benign" } else { "attack" };
                let known = |text: &String| if text.is_empty() { "unknown".to_owned() } else { text.clone() };
                let mut cells = vec![attack.goal.clone(), known(&attack.family), known(&attack.language), operator.clone(), word.into()];
                cells.extend(attack.strata.iter().map(known));
                if self.search.is_some() {
                    cells.extend(["static".to_owned(), String::new()]);
                    cells.extend(self.converses.then(String::new));
                }
                let spread = self.spread();
                let place = if c < self.chains.len() { c as u64 } else { self.chains.len() as u64 };
                let end = repeat + 1 == self.repeats && chains.last() == Some(&c);
                let go_on = f(Query {
                    number: i as u64 * spread + place * u64::from(self.repeats) + u64::from(repeat),
                    trial,
                    attack: attack.id.clone(),
                    history: Vec::new(),
                    prompt: prompt.clone(),
                    // A recorded answer is one to the prompt as it is.
                    response: attack.response.clone().filter(|_| chain.0.is_empty()),
                    goal: attack.goal.clone(),
                    family: attack.family.clone(),
                    label,
                    last_of_goal: last && end,
                    operator: operator.clone(),
                    cells,
                })?;
                if !go_on {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Calls `f` with every query in the order of the run, until it says stop. Fails as `f` does.
    pub fn in_run_order(&mut self, f: &mut dyn FnMut(Query) -> Result<bool>) -> Result<()> {
        let order = std::mem::take(&mut self.order);
        let result = order.iter().enumerate().try_for_each(|(at, &i)| -> std::result::Result<(), Option<crate::Error>> {
            let last = order.get(at + 1).is_none_or(|&n| self.goals[n as usize] != self.goals[i as usize]);
            match self.queries(i as usize, last, f) {
                Ok(true) => Ok(()),
                Ok(false) => Err(None),
                Err(e) => Err(Some(e)),
            }
        });
        self.order = order;
        match result {
            Err(Some(e)) => Err(e),
            _ => Ok(()),
        }
    }

    /// Calls `f` with every query of this run in the order of the files. Fails as `f` does.
    pub fn in_file_order(&mut self, f: &mut dyn FnMut(Query) -> Result<()>) -> Result<()> {
        let mut sorted = self.order.clone();
        sorted.sort_unstable();
        for i in sorted {
            self.queries(i as usize, false, &mut |q| f(q).map(|()| true))?;
        }
        Ok(())
    }
}

impl Reader {
    fn prompts(&mut self, file: &CampaignFile, p: &Prompts, benign: bool, strata: &[String]) -> Result<()> {
        let names: Vec<String> = p.files.iter().map(|f| file.resolve(f)).collect();
        let first_goal = self.goal_of.iter().map(|&g| g + 1).max().unwrap_or(0);
        let before = self.goal_of.len();
        let section = if benign { "benign" } else { "attacks" };
        let opened = Rows::open(&names).map_err(|e| match e {
            Error::Io { file: name, error } => file.wrong(
                &[coincide_io::Key::Name(section), coincide_io::Key::Name("files")],
                format!("`{name}` cannot be read: {error}"),
                "paths are read from the campaign's folder",
            ),
            e => e,
        })?;
        for rows in opened {
            self.inputs.push(rows.record()?);
            let has = |n: &str| rows.columns().iter().any(|c| c == n);
            let optional = |given: &Option<String>, usual: &str| given.clone().or_else(|| has(usual).then(|| usual.to_owned()));
            let prompt = p.prompt.clone().unwrap_or_else(|| "prompt".into());
            let roles = [
                optional(&p.id, "id"),
                optional(&p.goal, "goal"),
                optional(&p.family, "family"),
                optional(&p.language, "language"),
                optional(&p.response, "response"),
            ];
            let mut columns: Vec<&str> = vec![&prompt];
            let at = roles.each_ref().map(|r| {
                r.as_deref().map(|n| {
                    columns.push(n);
                    columns.len() - 1
                })
            });
            // A stratum of the other list of prompts may be missing here.
            let strata_at: Vec<Option<usize>> = strata
                .iter()
                .map(|s| {
                    (p.strata.contains(s) || has(s)).then(|| {
                        columns.push(s);
                        columns.len() - 1
                    })
                })
                .collect();
            let short = std::path::Path::new(rows.name()).file_stem().map_or_else(|| rows.name().to_owned(), |s| s.to_string_lossy().into_owned());
            let mut row_number = 0u64;
            rows.for_each(&columns, &mut |row| {
                row_number += 1;
                if p.limit.is_some_and(|most| self.goal_of.len() - before >= most) {
                    return Ok(());
                }
                let bad = |column: &str, what: String, hint: &str| Error::Bad { place: row.place(column), what, hint: Some(hint.into()) };
                let text = |i: Option<usize>| i.map(|i| row.text(i)).unwrap_or_default();
                if row.text(0).is_empty() {
                    return Err(bad(&prompt, "the prompt is empty".into(), "every row needs its prompt"));
                }
                let id = match text(at[0]) {
                    "" => format!("{short}:{row_number}"),
                    id => id.to_owned(),
                };
                let search = file.campaign.adaptive.is_some();
                if search && id.rsplit_once('@').is_some_and(|(_, n)| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())) {
                    let hint = "queries of an adaptive search are named prompt@1, prompt@2, …: rename it";
                    return Err(bad(roles[0].as_deref().unwrap_or("id"), format!("the prompt `{id}` could be a query of the search"), hint));
                }
                let digest = Sha256::digest(id.as_bytes());
                if !self.ids.insert(u128::from_le_bytes(std::array::from_fn(|i| digest[i]))) {
                    return Err(bad(
                        roles[0].as_deref().unwrap_or("id"),
                        format!("the prompt `{id}` is there twice"),
                        "names must be unique over all files",
                    ));
                }
                let goal = match text(at[1]) {
                    "" => id.clone(),
                    goal => goal.to_owned(),
                };
                let next = first_goal + self.goals.len() as u32;
                let number = *self.goals.entry(goal.clone()).or_insert(next);
                let attack = Attack {
                    prompt: row.text(0).to_owned(),
                    response: at[4].map(|i| row.text(i).to_owned()).filter(|r| !r.is_empty()),
                    goal,
                    family: text(at[2]).to_owned(),
                    language: text(at[3]).to_owned(),
                    strata: strata_at.iter().map(|&i| text(i).to_owned()).collect(),
                    benign,
                    id,
                };
                self.responses |= attack.response.is_some();
                if !benign {
                    let seen = [&attack.family, &attack.language].into_iter().chain(&attack.strata);
                    self.columns.iter_mut().zip(seen).for_each(|(v, t)| v.see(t));
                    if self.families.len() <= FAMILIES && !attack.family.is_empty() && !self.families.contains(&attack.family) {
                        self.families.push(attack.family.clone());
                    }
                }
                let mut line = serde_json::to_vec(&attack).map_err(|e| bad(&prompt, e.to_string(), "text of any kind"))?;
                line.push(b'\n');
                self.hash.update(&line);
                self.offset += line.len() as u64;
                self.out.write_all(&line).map_err(temporary)?;
                self.offsets.push(self.offset);
                self.goal_of.push(number);
                Ok(())
            })?;
        }
        Ok(())
    }
}

fn temporary(error: std::io::Error) -> Error {
    Error::Io { file: "a temporary file for the prompts".into(), error }
}
