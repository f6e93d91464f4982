//! The dashboard: the page of `coincide-report` over HTTP, with the documents from a store, analyses that run and campaigns that are followed.
//!
//! It listens on loopback; any other address needs a token. Requests from other sites and under other names are refused, uploads are limited, and no path leaves
//! the data folder. [`openapi()`] describes the API.

mod analyses;
mod api;
mod error;
mod folder;
mod guard;
mod openapi;
mod store;

pub use error::Error;
pub use openapi::openapi;

use analyses::Analyses;
use folder::Folder;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use store::Store;

/// The store's file, in the data folder.
pub const STORE_FILE: &str = ".coincide.sqlite";
/// Bytes of an upload, where nothing is said.
pub const UPLOAD_LIMIT: usize = 256 << 20;
/// Characters that a token must have.
const TOKEN_LENGTH: usize = 16;

/// How the server runs.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder with outcomes, studies and campaigns; uploads and the store go there too.
    pub data: PathBuf,
    /// Where to listen; port 0 takes any that is free.
    pub address: SocketAddr,
    /// What whoever asks must know; needed on every address but loopback.
    pub token: Option<String>,
    /// Bytes of an upload at most.
    pub upload_limit: usize,
}

/// What every request sees.
#[derive(Clone)]
struct App {
    config: Arc<Config>,
    folder: Folder,
    store: Arc<Store>,
    analyses: Arc<Analyses>,
    page: String,
}

/// A server that listens and answers nothing yet.
pub struct Server {
    listener: tokio::net::TcpListener,
    app: App,
}

impl Server {
    /// Opens the data folder and its store, and listens.
    ///
    /// Fails on an address that others can reach without a token of 16 characters or more, on one that is taken, and on a folder that cannot be used.
    pub async fn bind(mut config: Config) -> Result<Server, Error> {
        let short =
            config.token.as_ref().is_none_or(|t| t.len() < TOKEN_LENGTH || !t.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
        if short && (!config.address.ip().is_loopback() || config.token.is_some()) {
            return Err(if config.token.is_some() { Error::WeakToken } else { Error::NoToken(config.address) });
        }
        let folder = Folder::new(&config.data).map_err(|error| Error::Folder { folder: config.data.display().to_string(), error })?;
        let file = folder.path().join(STORE_FILE);
        let failed = |error| Error::Store { file: file.display().to_string(), error };
        let store = Arc::new(Store::open(&file).map_err(failed)?);
        let analyses = Arc::new(Analyses::new(Arc::clone(&store), folder.clone()).map_err(failed)?);
        let listener = tokio::net::TcpListener::bind(config.address).await.map_err(|error| Error::Listen { address: config.address, error })?;
        config.address = listener.local_addr().map_err(|error| Error::Listen { address: config.address, error })?;
        let app = App { config: Arc::new(config), folder, store, analyses, page: coincide_report::dashboard() };
        Ok(Server { listener, app })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.app.config.address
    }

    /// Answers until the task is dropped, which ends an analysis under way too.
    pub async fn serve(self) -> std::io::Result<()> {
        struct End(Arc<Analyses>);
        impl Drop for End {
            fn drop(&mut self) {
                self.0.end();
            }
        }
        let _end = End(Arc::clone(&self.app.analyses));
        let routes = api::routes(&self.app);
        let guarded = routes.layer(axum::middleware::from_fn_with_state(self.app.clone(), guard::guard)).with_state(self.app);
        axum::serve(self.listener, guarded).await
    }
}
