//! Who may ask: the right host name, the right site, the right token; and what every answer says to the browser.

use crate::App;
use crate::error::Problem;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::SocketAddr;

/// The cookie that a browser gets when it comes with the token in its address.
const COOKIE: &str = "coincide_token";

/// Lets a request through, or not.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let mut response = match refusal(&app, request.uri().path(), request.method(), headers) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    };
    let out = response.headers_mut();
    let mut set = |name: &'static str, value: &'static str| {
        out.entry(name).or_insert(HeaderValue::from_static(value));
    };
    // The page has a policy of its own, by the hashes of its script and style; an answer of the API is data and may do nothing.
    set("content-security-policy", "default-src 'none'; frame-ancestors 'none'");
    set("x-content-type-options", "nosniff");
    set("x-frame-options", "DENY");
    set("referrer-policy", "no-referrer");
    set("cross-origin-opener-policy", "same-origin");
    set("cross-origin-resource-policy", "same-origin");
    set("cache-control", "no-store");
    response
}

fn refusal(app: &App, path: &str, method: &Method, headers: &HeaderMap) -> Option<Problem> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    // A page of another site whose name was made to point here (DNS rebinding) still sends its own name.
    if app.config.address.ip().is_loopback() && !is_own_name(host, app.config.address) {
        return Some(
            Problem::new(StatusCode::FORBIDDEN, format!("`{host}` is not a name of this server"))
                .hinted(format!("use http://{}", app.config.address)),
        );
    }
    let site = headers.get("sec-fetch-site").and_then(|v| v.to_str().ok());
    let foreign_site = site.is_some_and(|s| s != "same-origin" && s != "none");
    let foreign_origin = text(header::ORIGIN).is_some_and(|o| o.split_once("://").is_none_or(|(_, rest)| !rest.eq_ignore_ascii_case(host)));
    // A link to the page from elsewhere is fine; anything else from elsewhere is not.
    let navigation = path == "/" && *method == Method::GET && headers.get("sec-fetch-mode").is_some_and(|m| m == "navigate");
    if foreign_origin || foreign_site && !navigation {
        return Some(Problem::new(StatusCode::FORBIDDEN, "requests from other sites are refused"));
    }
    let token = app.config.token.as_ref()?;
    let bearer = text(header::AUTHORIZATION).and_then(|v| v.strip_prefix("Bearer "));
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
    let cookie = cookies.filter_map(|c| c.trim().split_once('=')).find(|c| c.0 == COOKIE).map(|c| c.1);
    if [bearer, cookie].into_iter().flatten().any(|given| same(given, token)) || path == "/" {
        return None;
    }
    Some(
        Problem::new(StatusCode::UNAUTHORIZED, "a token is needed")
            .hinted("open the address that the server printed, or send Authorization: Bearer TOKEN"),
    )
}

/// Whether a Host header names this machine's loopback at the server's port.
fn is_own_name(host: &str, address: SocketAddr) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => (name, port.parse().unwrap_or(0)),
        _ => (host, 80),
    };
    port == address.port() && (["localhost", "127.0.0.1", "[::1]"].contains(&name) || name == address.ip().to_string())
}

/// Compares without stopping at the first difference.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |d, (x, y)| d | (x ^ y)) == 0
}

/// The cookie for somebody who came with the token.
pub(crate) fn cookie(token: &str) -> String {
    format!("{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/; Max-Age=2592000")
}
