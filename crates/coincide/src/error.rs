//! What can go wrong in the mathematics, as one enum. Every variant says what was expected and, where
//! there is one, what to do about it.

/// An error of the `coincide` crate.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The table has no attack trial, so no rate of failure can be estimated.
    #[error("the table has no attack trials; β and every failure rate are about attacks")]
    NoTrials,
    /// The table has fewer than one layer.
    #[error("the table has no layers")]
    NoLayers,
    /// More layers than can be handled.
    #[error("{got} layers; at most {most} can be handled here")]
    TooManyLayers {
        /// Layers asked for.
        got: usize,
        /// The limit.
        most: usize,
    },
    /// Two layers, strata or clusters share one name.
    #[error("the name `{0}` is used twice; layers, strata and clusters need names of their own")]
    DuplicateName(String),
    /// A layer was named that the table does not have.
    #[error("there is no layer `{name}`; the layers are {known}")]
    UnknownLayer {
        /// The name that was asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A number lies outside what its meaning allows.
    #[error("{what} must be {expected}, not {got}")]
    OutOfRange {
        /// What the number is.
        what: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it was.
        got: f64,
    },
    /// Two tables that were to be added up describe different things.
    #[error("the tables cannot be added up: {0}")]
    Incompatible(String),
    /// A layer was never observed on an attack trial.
    #[error("layer `{0}` has no outcome on any attack trial; leave it out with --layers")]
    NoOutcomes(String),
    /// A model was named that there is not.
    #[error("there is no model `{name}`; the models are {known}")]
    UnknownModel {
        /// The name that was asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A model within strata was asked for, and the table has none.
    #[error("`{0}` needs strata; name a column with --stratum")]
    NoStrata(String),
    /// A model could not be fitted at all.
    #[error("`{model}` cannot be fitted: {why}")]
    Fit {
        /// The model.
        model: String,
        /// What went wrong.
        why: String,
    },
    /// An expression for a system failure cannot be read.
    #[error("`{text}`, character {at}: {what}")]
    Structure {
        /// The expression.
        text: String,
        /// Character, from 1.
        at: usize,
        /// What is wrong and what was expected.
        what: String,
    },
    /// Something that has a name in a study is wrong: a claim, scenario, portfolio, audit, expert or problem.
    #[error("{what} `{name}`: {why}")]
    In {
        /// What kind of thing it is.
        what: &'static str,
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A stated map, distribution, scenario or score contradicts itself.
    #[error("{0}")]
    Stated(String),
    /// The given order does not fit the table.
    #[error("the order does not fit the table: {0}")]
    Order(String),
}

impl Error {
    /// The same error, said of something with a name.
    pub(crate) fn within(self, what: &'static str, name: &str) -> Error {
        match self {
            Error::In { what: w, name: n, why } if w == what && n == name => Error::In { what, name: n, why },
            e => Error::In { what, name: name.to_owned(), why: e.to_string() },
        }
    }
}

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
