//! What can be asked over HTTP.

use crate::App;
use crate::analyses::{AnalysisRequest, AnalysisStatus, with_hint};
use crate::error::Problem;
use crate::folder::FileEntry;
use crate::guard::{cookie, same};
use crate::store::ResultEntry;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Json, Response};
use axum::routing::{get, put};
use coincide_io::{CampaignLive, Results};
use futures_util::Stream;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::time::Duration;

type Answer<T> = Result<T, Problem>;

/// All routes.
pub(crate) fn routes(app: &App) -> Router<App> {
    let limit = app.config.upload_limit;
    Router::new()
        .route("/", get(page))
        .route("/api/openapi.json", get(openapi))
        .route("/api/files", get(files))
        .route("/api/files/{file}", put(upload).layer(DefaultBodyLimit::max(limit)))
        .route("/api/analyses", get(analyses).post(analyse))
        .route("/api/analyses/{id}", get(analysis).delete(cancel))
        .route("/api/analyses/{id}/events", get(analysis_events))
        .route("/api/results", get(results).post(import).layer(DefaultBodyLimit::max(limit)))
        .route("/api/results/{id}", get(result).delete(remove))
        .route("/api/campaigns", get(campaigns))
        .route("/api/campaign", get(campaign))
        .route("/api/campaign/events", get(campaign_events))
        .fallback(|| async { Problem::missing("there is nothing here").hinted("the API is described at /api/openapi.json") })
        .method_not_allowed_fallback(|| async { Problem::new(StatusCode::METHOD_NOT_ALLOWED, "that cannot be done here") })
}

/// Query of the page.
#[derive(Deserialize)]
struct Entrance {
    token: Option<String>,
}

/// The dashboard; with the token in the address, its cookie.
async fn page(State(app): State<App>, query: Result<Query<Entrance>, QueryRejection>) -> Response {
    let given = query.ok().and_then(|q| q.0.token);
    if let (Some(token), Some(given)) = (&app.config.token, given)
        && same(&given, token)
        && let Ok(value) = HeaderValue::from_str(&cookie(token))
    {
        let mut out = (StatusCode::SEE_OTHER, [(header::LOCATION, "/")]).into_response();
        out.headers_mut().insert(header::SET_COOKIE, value);
        return out;
    }
    let mut out = Html(app.page.clone()).into_response();
    // The page's own policy stands in the page; the header only says who may frame it.
    out.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("frame-ancestors 'none'"));
    out
}

async fn openapi() -> Json<serde_json::Value> {
    Json(crate::openapi::openapi())
}

/// A number in a path.
fn number(path: Result<Path<String>, PathRejection>, what: &str) -> Answer<i64> {
    let missing = || Problem::missing(format!("there is no such {what}"));
    path.map_err(|_| missing())?.0.parse::<i64>().ok().filter(|n| *n > 0).ok_or_else(missing)
}

fn bytes(body: Result<Bytes, BytesRejection>, limit: usize) -> Answer<Bytes> {
    body.map_err(|e| match e.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("more than {limit} bytes")).hinted("count it on the command line: coincide count")
        }
        _ => Problem::new(StatusCode::BAD_REQUEST, "the body could not be read"),
    })
}

/// A JSON body.
fn json<T: DeserializeOwned>(headers: &HeaderMap, body: &Bytes) -> Answer<T> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/json") {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "expected JSON").hinted("send content-type: application/json"));
    }
    serde_json::from_slice(body).map_err(|e| match e.classify() {
        serde_json::error::Category::Data => Problem::bad(e.to_string()),
        _ => Problem::new(StatusCode::BAD_REQUEST, format!("this is not JSON: {e}")),
    })
}

async fn files(State(app): State<App>) -> Answer<Json<Vec<FileEntry>>> {
    let folder = app.folder.clone();
    blocking(move || Ok(folder.list())).await.map(Json)
}

/// A stored upload.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Uploaded {
    /// Its name in the data folder.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
}

async fn upload(
    State(app): State<App>,
    name: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<(StatusCode, Json<Uploaded>)> {
    let name = name.map_err(|_| Problem::bad("the name is not UTF-8"))?.0;
    let body = bytes(body, app.config.upload_limit)?;
    if body.is_empty() {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "the file is empty").hinted("send its bytes as the body"));
    }
    blocking(move || {
        let path = app.folder.upload(&name)?;
        if path.symlink_metadata().is_ok() {
            let same = path.symlink_metadata().is_ok_and(|m| m.is_file()) && std::fs::read(&path).is_ok_and(|b| b == body);
            if !same {
                return Err(Problem::new(StatusCode::CONFLICT, format!("there is another `{name}` already")).hinted("give it another name"));
            }
        } else {
            coincide_io::write_bytes(&path, &body).map_err(|e| Problem::new(StatusCode::SERVICE_UNAVAILABLE, e.to_string()))?;
        }
        Ok((StatusCode::CREATED, Json(Uploaded { name: format!("{}/{name}", crate::folder::UPLOADS), bytes: body.len() as u64 })))
    })
    .await
}

async fn analyses(State(app): State<App>) -> Json<Vec<AnalysisStatus>> {
    Json(app.analyses.all())
}

async fn analyse(State(app): State<App>, headers: HeaderMap, body: Result<Bytes, BytesRejection>) -> Answer<(StatusCode, Json<AnalysisStatus>)> {
    let request: AnalysisRequest = json(&headers, &bytes(body, 2 << 20)?)?;
    let list = app.analyses.clone();
    // Reading a study touches the disk; beginning needs the runtime.
    let handle = tokio::runtime::Handle::current();
    let status = blocking(move || {
        let _in = handle.enter();
        list.begin(request)
    })
    .await?;
    Ok((StatusCode::ACCEPTED, Json(status)))
}

async fn analysis(State(app): State<App>, id: Result<Path<String>, PathRejection>) -> Answer<Json<AnalysisStatus>> {
    let id = number(id, "analysis")?;
    let one = app.analyses.follow(id).ok_or_else(|| Problem::missing("there is no such analysis"))?;
    let status = one.borrow().clone();
    Ok(Json(status))
}

async fn cancel(State(app): State<App>, id: Result<Path<String>, PathRejection>) -> Answer<StatusCode> {
    match app.analyses.cancel(number(id, "analysis")?) {
        None => Err(Problem::missing("there is no such analysis")),
        Some(true) => Ok(StatusCode::ACCEPTED),
        Some(false) => Err(Problem::new(StatusCode::CONFLICT, "it is over already")),
    }
}

/// Events: the state whenever it changes, until it is over.
async fn analysis_events(State(app): State<App>, id: Result<Path<String>, PathRejection>) -> Answer<impl IntoResponse> {
    let follow = app.analyses.follow(number(id, "analysis")?).ok_or_else(|| Problem::missing("there is no such analysis"))?;
    let stream = futures_util::stream::unfold(Some((follow, true)), |state| async move {
        let (mut follow, first) = state?;
        if !first && follow.changed().await.is_err() {
            return None;
        }
        let now = follow.borrow_and_update().clone();
        let over = crate::analyses::over(&now);
        Some((event("analysis", &now), (!over).then_some((follow, false))))
    });
    Ok(sse(stream))
}

fn event(name: &str, value: &impl Serialize) -> Result<Event, Infallible> {
    Ok(Event::default().event(name).data(serde_json::json!(value).to_string()))
}

fn sse(stream: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> impl IntoResponse {
    Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

async fn results(State(app): State<App>) -> Answer<Json<Vec<ResultEntry>>> {
    blocking(move || Ok(app.store.list()?)).await.map(Json)
}

async fn import(State(app): State<App>, headers: HeaderMap, body: Result<Bytes, BytesRejection>) -> Answer<(StatusCode, Json<ResultEntry>)> {
    let body = bytes(body, app.config.upload_limit)?;
    let _: serde_json::Value = json(&headers, &body)?;
    blocking(move || {
        let text = std::str::from_utf8(&body).map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "this is not UTF-8"))?;
        let mut document = Results::from_json("the document", text).map_err(|e| with_hint(&e))?;
        if document.conclusions.is_empty() {
            document.conclusions = coincide_report::conclusions(&document);
        }
        let id = app.store.put(&document)?;
        let entry = app.store.entry(id)?.ok_or_else(|| Problem::missing("it was taken out at once"))?;
        Ok((StatusCode::CREATED, Json(entry)))
    })
    .await
}

async fn result(State(app): State<App>, id: Result<Path<String>, PathRejection>) -> Answer<Response> {
    let id = number(id, "result")?;
    let document = blocking(move || Ok(app.store.document(id)?)).await?.ok_or_else(|| Problem::missing("there is no such result"))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], document).into_response())
}

async fn remove(State(app): State<App>, id: Result<Path<String>, PathRejection>) -> Answer<StatusCode> {
    let id = number(id, "result")?;
    if blocking(move || Ok(app.store.remove(id)?)).await? { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::missing("there is no such result")) }
}

async fn campaigns(State(app): State<App>) -> Answer<Json<Vec<String>>> {
    blocking(move || Ok(app.folder.campaigns())).await.map(Json)
}

/// Which campaign is meant.
#[derive(Deserialize)]
struct WhichCampaign {
    name: String,
}

fn live(app: &App, query: Result<Query<WhichCampaign>, QueryRejection>) -> Answer<std::path::PathBuf> {
    let name = query.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "name a campaign: ?name=FOLDER"))?.0.name;
    Ok(app.folder.inside(&name)?.join(coincide_stress::LIVE_FILE))
}

fn read_live(path: &std::path::Path) -> Answer<CampaignLive> {
    let missing = || Problem::missing("there is no running campaign in that folder");
    let text = std::fs::read(path).map_err(|_| missing())?;
    serde_json::from_slice(&text).map_err(|_| missing())
}

async fn campaign(State(app): State<App>, query: Result<Query<WhichCampaign>, QueryRejection>) -> Answer<Json<CampaignLive>> {
    let path = live(&app, query)?;
    blocking(move || read_live(&path)).await.map(Json)
}

/// Events: the campaign's state once a second where it changes, until it has ended or nothing has changed for ten minutes.
async fn campaign_events(State(app): State<App>, query: Result<Query<WhichCampaign>, QueryRejection>) -> Answer<impl IntoResponse> {
    const QUIET: u32 = 600;
    let path = live(&app, query)?;
    let first = read_live(&path)?;
    let stream = futures_util::stream::unfold(Some((path, None, Some(first))), |state| async move {
        let (path, mut last, mut given) = state?;
        for _ in 0..QUIET {
            let now = match given.take() {
                Some(now) => now,
                None => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    let Ok(now) = read_live(&path) else { return None };
                    now
                }
            };
            if last.as_ref() != Some(&now) {
                let sent = event("campaign", &now);
                let ended = now.ended;
                last = Some(now);
                return Some((sent, (!ended).then_some((path, last, None))));
            }
        }
        None
    });
    Ok(sse(stream))
}

/// Work that touches the disk, away from the threads that answer.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Answer<T> + Send + 'static) -> Answer<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the request could not be worked on")))
}
