//! A linear probe over activation vectors, trained here: a direction, and a threshold set on held-out harmless examples.
//!
//! Difference of means: w = mean(harmful) − mean(harmless). Logistic: w minimises Σ log(1 + exp(−y(w·x + b))) + ½‖w‖² over standardised activations. Half of
//! each training set, drawn by the seed, gives the direction; the other half of the harmless gives the threshold: the smallest score that at most the stated share
//! of them reaches. The layer holds where w·x reaches it.

use super::process::Process;
use super::{Ask, Layer, Reply, Trouble, Verdict};
use crate::campaign::{LayerSpec, ProbeMethod};
use crate::campaign_file::CampaignFile;
use crate::error::Result;
use argmin::core::{CostFunction, Executor, Gradient};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;
use coincide::{Purpose, Seed};
use coincide_io::{Error, Place, Rows};
use futures_util::future::BoxFuture;
use rand::seq::SliceRandom;
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::io::Read;
use std::path::Path;

/// A direction and the score from which it holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Direction {
    w: Vec<f64>,
    threshold: f64,
    /// Share of held-out harmful examples that it stops.
    pub detected: f64,
}

enum Source {
    File(FxHashMap<String, Vec<f64>>),
    Process(Process),
}

pub(super) struct Probe {
    direction: Direction,
    source: Source,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn mean(rows: &[&Vec<f64>], dimension: usize) -> Vec<f64> {
    let mut sum = vec![0.0; dimension];
    rows.iter().for_each(|r| sum.iter_mut().zip(r.iter()).for_each(|(s, x)| *s += x));
    sum.iter().map(|s| s / rows.len() as f64).collect()
}

struct Logistic<'a> {
    rows: Vec<(&'a Vec<f64>, f64)>,
    mean: Vec<f64>,
    scale: Vec<f64>,
}

impl Logistic<'_> {
    /// Score, and each standardised activation, of one row.
    fn margin(&self, p: &[f64], x: &[f64]) -> f64 {
        p[0] + p[1..].iter().zip(x).zip(self.mean.iter().zip(&self.scale)).map(|((w, x), (m, s))| w * (x - m) / s).sum::<f64>()
    }
}

impl CostFunction for Logistic<'_> {
    type Param = Vec<f64>;
    type Output = f64;
    fn cost(&self, p: &Vec<f64>) -> std::result::Result<f64, argmin::core::Error> {
        let loss = |m: f64| (-m).max(0.0) + (-m.abs()).exp().ln_1p();
        Ok(self.rows.iter().map(|(x, y)| loss(y * self.margin(p, x))).sum::<f64>() + 0.5 * dot(&p[1..], &p[1..]))
    }
}

impl Gradient for Logistic<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;
    fn gradient(&self, p: &Vec<f64>) -> std::result::Result<Vec<f64>, argmin::core::Error> {
        let mut g = vec![0.0; p.len()];
        g[1..].copy_from_slice(&p[1..]);
        for (x, y) in &self.rows {
            let c = -y / (1.0 + (y * self.margin(p, x)).exp());
            g[0] += c;
            g[1..].iter_mut().zip(*x).zip(self.mean.iter().zip(&self.scale)).for_each(|((g, x), (m, s))| *g += c * (x - m) / s);
        }
        Ok(g)
    }
}

fn logistic(attack: &[&Vec<f64>], benign: &[&Vec<f64>], dimension: usize) -> std::result::Result<Vec<f64>, String> {
    let all: Vec<&Vec<f64>> = attack.iter().chain(benign).copied().collect();
    let mean = mean(&all, dimension);
    let mut variance = vec![0.0; dimension];
    all.iter().for_each(|r| variance.iter_mut().zip(r.iter().zip(&mean)).for_each(|(v, (x, m))| *v += (x - m) * (x - m)));
    let scale: Vec<f64> = variance.iter().map(|v| (v / all.len() as f64).sqrt()).map(|s| if s > 0.0 { s } else { 1.0 }).collect();
    let rows = attack.iter().map(|x| (*x, 1.0)).chain(benign.iter().map(|x| (*x, -1.0))).collect();
    let problem = Logistic { rows, mean, scale: scale.clone() };
    let solver = LBFGS::new(MoreThuenteLineSearch::new(), 8).with_tolerance_grad(1e-6).map_err(|e| e.to_string())?;
    let run = Executor::new(problem, solver).configure(|s| s.param(vec![0.0; dimension + 1]).max_iters(500)).run().map_err(|e| e.to_string())?;
    let best = run.state.best_param.ok_or("no direction was found")?;
    Ok(best[1..].iter().zip(&scale).map(|(w, s)| w / s).collect())
}

impl Direction {
    /// Trains. Fails on too few examples, or examples of different sizes.
    pub(super) fn train(
        attack: &[Vec<f64>],
        benign: &[Vec<f64>],
        method: ProbeMethod,
        false_alarms: f64,
        seed: Seed,
    ) -> std::result::Result<Direction, String> {
        let dimension = attack.first().map_or(0, Vec::len);
        if attack.len() < 4 || benign.len() < 4 || dimension == 0 {
            return Err(format!("{} harmful and {} harmless activations are too few; 4 of each at least", attack.len(), benign.len()));
        }
        if let Some(odd) = attack.iter().chain(benign).find(|v| v.len() != dimension) {
            return Err(format!("activations have {dimension} and {} numbers", odd.len()));
        }
        let halves = |rows: &'_ [Vec<f64>], stream: u64| {
            let mut order: Vec<usize> = (0..rows.len()).collect();
            order.shuffle(&mut seed.stream(Purpose::Probe, stream));
            let (a, b) = order.split_at(rows.len() / 2);
            (a.to_vec(), b.to_vec())
        };
        let ((at, ah), (bt, bh)) = (halves(attack, 0), halves(benign, 1));
        let pick = |rows: &'_ [Vec<f64>], of: &[usize]| -> Vec<usize> { of.iter().copied().filter(|&i| i < rows.len()).collect() };
        let at: Vec<&Vec<f64>> = pick(attack, &at).into_iter().map(|i| &attack[i]).collect();
        let bt: Vec<&Vec<f64>> = pick(benign, &bt).into_iter().map(|i| &benign[i]).collect();
        let w = match method {
            ProbeMethod::DifferenceOfMeans => mean(&at, dimension).iter().zip(mean(&bt, dimension)).map(|(a, b)| a - b).collect(),
            ProbeMethod::Logistic => logistic(&at, &bt, dimension)?,
        };
        let mut quiet: Vec<f64> = bh.iter().map(|&i| dot(&w, &benign[i])).collect();
        quiet.sort_by(f64::total_cmp);
        // At most `allowed` held-out harmless examples reach the threshold.
        let allowed = (false_alarms * quiet.len() as f64).floor() as usize;
        let first_allowed = quiet[quiet.len() - 1 - allowed.min(quiet.len() - 1)];
        let threshold = first_allowed.next_up();
        let detected = ah.iter().filter(|&&i| dot(&w, &attack[i]) >= threshold).count() as f64 / ah.len() as f64;
        Ok(Direction { w, threshold, detected })
    }

    fn verdict(&self, x: &[f64]) -> std::result::Result<Verdict, Trouble> {
        if x.len() != self.w.len() {
            return Err(Trouble::lasting(format!("the activation has {} numbers, the probe {}", x.len(), self.w.len())));
        }
        let score = dot(&self.w, x);
        Ok(Verdict::held(score >= self.threshold).scored(Some(score)))
    }
}

impl Probe {
    /// Trains a probe as the layer says. Fails at the key whose file does not hold.
    pub(super) fn new(file: &CampaignFile, layer: usize, spec: &LayerSpec) -> Result<Probe> {
        let train = spec.train.clone().unwrap_or_default();
        let load = |name: &str| matrix(&file.resolve(name), train.column.as_deref());
        let (attack, benign) = (load(&train.attack)?, load(&train.benign)?);
        let seed = Seed(file.seed().0 ^ layer as u64);
        let direction = Direction::train(&attack, &benign, spec.method.unwrap_or_default(), spec.false_alarms.unwrap_or(0.01), seed)
            .map_err(|e| file.wrong_layer(layer, "train", e, "activations of harmful and harmless examples, a row each"))?;
        let source = match &spec.vectors {
            None => Source::Process(Process::new(file, layer, spec)?),
            Some(v) => {
                let names: Vec<String> = v.files.iter().map(|f| file.resolve(f)).collect();
                let mut all = FxHashMap::default();
                for rows in Rows::open(&names)? {
                    all.extend(rows.vectors(Some(v.key.as_deref().unwrap_or("id")), v.column.as_deref().unwrap_or("vector"))?);
                }
                Source::File(all)
            }
        };
        Ok(Probe { direction, source })
    }
}

/// Activations in a file: `.npy`, `.safetensors`, or a table with a list column.
fn matrix(path: &str, column: Option<&str>) -> Result<Vec<Vec<f64>>> {
    let bad = |what: String, hint: &str| Error::Bad { place: Place { file: path.into(), ..Place::default() }, what, hint: Some(hint.into()) };
    let ending = Path::new(path).extension().and_then(|e| e.to_str()).unwrap_or_default();
    let open = || std::fs::File::open(path).map_err(|error| Error::Io { file: path.into(), error });
    let rows = match ending {
        "npy" => npy(std::io::BufReader::new(open()?)).map_err(|e| bad(e, "a two-dimensional array of floats, a row an example: numpy.save"))?,
        "safetensors" => {
            let mut bytes = Vec::new();
            open()?.read_to_end(&mut bytes).map_err(|error| Error::Io { file: path.into(), error })?;
            safetensors(&bytes, column).map_err(|e| bad(e, "a two-dimensional tensor of floats, a row an example"))?
        }
        _ => {
            let mut out = Vec::new();
            for rows in Rows::open(&[path.to_owned()])? {
                out.extend(rows.vectors(None, column.unwrap_or("vector"))?.into_iter().map(|x| x.1));
            }
            out
        }
    };
    if rows.iter().flatten().any(|x| !x.is_finite()) {
        return Err(bad("holds numbers that are not finite".into(), "leave those examples out").into());
    }
    Ok(rows)
}

fn rows_of(flat: &[f64], shape: &[u64]) -> std::result::Result<Vec<Vec<f64>>, String> {
    match shape {
        [n, d] if *d > 0 && n * d == flat.len() as u64 => Ok(flat.chunks(*d as usize).map(<[f64]>::to_vec).collect()),
        _ => Err(format!("has the shape {shape:?}; expected examples × numbers")),
    }
}

fn npy(from: impl Read) -> std::result::Result<Vec<Vec<f64>>, String> {
    let file = npyz::NpyFile::new(from).map_err(|e| format!("is not a .npy file: {e}"))?;
    let shape = file.shape().to_vec();
    if file.order() != npyz::Order::C {
        return Err("is stored by columns".into());
    }
    let flat = match file.try_data::<f64>() {
        Ok(data) => data.collect::<std::io::Result<Vec<f64>>>().map_err(|e| e.to_string())?,
        Err(file) => match file.try_data::<f32>() {
            Ok(data) => data.map(|x| x.map(f64::from)).collect::<std::io::Result<Vec<f64>>>().map_err(|e| e.to_string())?,
            Err(file) => {
                let data = file.try_data::<npyz_half>().map_err(|_| "does not hold floats".to_owned())?;
                data.map(|x| x.map(f64::from)).collect::<std::io::Result<Vec<f64>>>().map_err(|e| e.to_string())?
            }
        },
    };
    rows_of(&flat, &shape)
}

#[allow(non_camel_case_types)]
type npyz_half = half::f16;

fn safetensors(bytes: &[u8], name: Option<&str>) -> std::result::Result<Vec<Vec<f64>>, String> {
    use safetensors::{Dtype, SafeTensors};
    let file = SafeTensors::deserialize(bytes).map_err(|e| format!("is not a safetensors file: {e}"))?;
    let names = file.names();
    let name = match (name, names.as_slice()) {
        (Some(n), _) => n.to_owned(),
        (None, [one]) => (*one).to_owned(),
        (None, many) => return Err(format!("holds {} tensors; name one with `column`", many.len())),
    };
    let tensor = file.tensor(&name).map_err(|_| format!("has no tensor `{name}`"))?;
    let data = tensor.data();
    let flat: Vec<f64> = match tensor.dtype() {
        Dtype::F64 => data.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap_or_default())).collect(),
        Dtype::F32 => data.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap_or_default()))).collect(),
        Dtype::F16 => data.chunks_exact(2).map(|b| f64::from(half::f16::from_le_bytes(b.try_into().unwrap_or_default()))).collect(),
        Dtype::BF16 => data.chunks_exact(2).map(|b| f64::from(half::bf16::from_le_bytes(b.try_into().unwrap_or_default()))).collect(),
        other => return Err(format!("tensor `{name}` holds {other:?}; expected floats")),
    };
    rows_of(&flat, &tensor.shape().iter().map(|&n| n as u64).collect::<Vec<_>>())
}

impl Layer for Probe {
    fn ask<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, std::result::Result<Reply, Trouble>> {
        Box::pin(async move {
            match &self.source {
                Source::File(all) => match all.get(ask.trial).or_else(|| all.get(ask.attack).filter(|_| ask.plain())) {
                    Some(x) => Ok(Reply::one(self.direction.verdict(x)?, Vec::new())),
                    None => Err(Trouble::lasting("the file of activations does not name this trial")),
                },
                Source::Process(p) => {
                    let answer = p.request(&ask).await?;
                    let list = answer.get("vector").and_then(Value::as_array).ok_or_else(|| Trouble::unparsed("the answer has no vector"))?;
                    let x: Option<Vec<f64>> = list.iter().map(Value::as_f64).collect();
                    let x = x.ok_or_else(|| Trouble::unparsed("the answer's vector is not of numbers"))?;
                    Ok(Reply::one(self.direction.verdict(&x)?, Vec::new()))
                }
            }
        })
    }
}

#[cfg(fuzzing)]
pub(super) fn fuzz(bytes: &[u8]) {
    let _ = npy(bytes);
    let _ = safetensors(bytes, None);
}
