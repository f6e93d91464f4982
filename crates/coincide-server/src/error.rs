//! What went wrong, as the API says it: a status and a JSON object with the error and what to do.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use schemars::JsonSchema;
use serde::Serialize;

/// What the server could not do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// Anybody could use the server without a token.
    #[error("{0} is reachable from other machines, and there is no token")]
    NoToken(std::net::SocketAddr),
    /// The token can be guessed, or cannot stand in an address.
    #[error("the token is shorter than 16 characters, or has others than letters, digits, - and _")]
    WeakToken,
    /// The data folder cannot be used.
    #[error("{folder}: {error}")]
    Folder {
        /// The folder.
        folder: String,
        /// Why.
        error: std::io::Error,
    },
    /// The store of results cannot be used.
    #[error("{file}: {error}")]
    Store {
        /// The file.
        file: String,
        /// Why.
        error: rusqlite::Error,
    },
}

impl Error {
    /// What to do about it, where there is something to say.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Error::Listen { .. } => Some("another program may be listening there: name another port with --address"),
            Error::WeakToken => Some("take a longer one: COINCIDE_TOKEN=$(openssl rand -hex 16)"),
            Error::NoToken(_) => Some("set one: COINCIDE_TOKEN=… coincide serve --address …, at least 16 characters"),
            _ => None,
        }
    }
}

/// A failed request.
#[derive(Debug)]
pub(crate) struct Problem {
    pub status: StatusCode,
    pub body: ProblemBody,
}

/// What was wrong with a request, and what to do.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ProblemBody {
    /// What was wrong.
    pub error: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Problem { status, body: ProblemBody { error: error.into(), hint: None } }
    }
    pub(crate) fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.body.hint = Some(hint.into());
        self
    }
    pub(crate) fn missing(what: impl Into<String>) -> Self {
        Problem::new(StatusCode::NOT_FOUND, what)
    }
    pub(crate) fn bad(what: impl Into<String>) -> Self {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, what)
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(e: rusqlite::Error) -> Self {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("the store of results cannot be used: {e}"))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}
