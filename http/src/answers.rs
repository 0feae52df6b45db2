//! What is answered to a request.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use hyper::header::{ACCEPT, ALLOW, AUTHORIZATION, CONTENT_TYPE, HOST, WWW_AUTHENTICATE};
use hyper::http::{HeaderValue, request::Parts};
use hyper::{Method, Response, StatusCode};
use serde::Serialize;
use squall::run::{Phase, RunStats, Seen, Watch};
use squall::topology::Plan;

use crate::metrics::{Format, Served, encode};
use crate::token::Token;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// Answers requests about a run.
pub(crate) struct Answers {
    watch: Watch,
    token: Option<Token>,
    // Scrapes may come at once.
    served: Mutex<Served>,
}

impl Answers {
    pub(crate) fn new(watch: Watch, token: Option<Token>) -> Self {
        let served = Mutex::default();
        Self {
            watch,
            token,
            served,
        }
    }

    /// Waits for the run, at most for a second.
    pub(crate) fn answer(&self, request: &Parts) -> Response<String> {
        if let Some(refused) = self.refused(request) {
            return refused;
        }
        match request.uri.path() {
            "/metrics" => self.metrics(request),
            "/health" => {
                let (status, health) = Health::of(&self.watch.see());
                json(status, &health)
            }
            "/api/topology" => {
                let Seen { phase, stats, .. } = self.watch.see();
                let plan = self.watch.plan();
                json(StatusCode::OK, &Topology { plan, phase, stats })
            }
            _ => text(
                StatusCode::NOT_FOUND,
                "there are /metrics, /health and /api/topology\n",
            ),
        }
    }

    fn refused(&self, request: &Parts) -> Option<Response<String>> {
        let header = |name| request.headers.get(name).map(HeaderValue::as_bytes);
        if let Some(token) = &self.token {
            if !header(AUTHORIZATION).is_some_and(|brought| token.is_brought_by(brought)) {
                let told = "bring the token: `Authorization: Bearer TOKEN`\n";
                let mut refused = text(StatusCode::UNAUTHORIZED, told);
                let scheme = HeaderValue::from_static("Bearer");
                refused.headers_mut().insert(WWW_AUTHENTICATE, scheme);
                return Some(refused);
            }
        } else if !header(HOST).is_none_or(is_address) {
            let told = "without a token the host is an IP address or `localhost`\n";
            return Some(text(StatusCode::MISDIRECTED_REQUEST, told));
        }
        if request.method != Method::GET {
            let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered\n");
            let get = HeaderValue::from_static("GET");
            refused.headers_mut().insert(ALLOW, get);
            return Some(refused);
        }
        None
    }

    fn metrics(&self, request: &Parts) -> Response<String> {
        let accept = request.headers.get_all(ACCEPT).iter();
        let accept: Vec<&str> = accept.filter_map(|value| value.to_str().ok()).collect();
        let format = Format::accepted(&accept.join(","));
        let seen = self.watch.see();
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        match encode(&self.watch.plan().name, seen, &mut served, format) {
            Ok(metrics) => of_type(StatusCode::OK, format.content_type(), metrics),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
        }
    }
}

/// Whether a `Host` header names an address and not a name, which anybody can give to an address.
fn is_address(host: &[u8]) -> bool {
    let Ok(host) = str::from_utf8(host) else {
        return false;
    };
    let port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, digits)) if port(digits) && !digits.is_empty() => name,
        _ => host,
    };
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    name.eq_ignore_ascii_case("localhost") || bare.unwrap_or(name).parse::<IpAddr>().is_ok()
}

/// The answer to `/api/topology`.
#[derive(Serialize)]
struct Topology<'t> {
    plan: &'t Plan,
    phase: Phase,
    stats: RunStats,
}

/// The answer to `/health`.
#[derive(Serialize)]
struct Health {
    status: &'static str,
    reasons: Vec<Reason>,
}

#[derive(Serialize)]
struct Reason {
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<String>,
    reason: String,
}

impl Health {
    fn of(seen: &Seen) -> (StatusCode, Self) {
        let failure = |error: &String| {
            let reason = error.clone();
            vec![Reason { task: None, reason }]
        };
        let (status, reasons) = match &seen.phase {
            Phase::Ended { error: None } => ("ended", Vec::new()),
            Phase::Ended { error: Some(error) } => ("failed", failure(error)),
            Phase::Restoring { error } => ("restoring", failure(error)),
            // What others may come: the run goes on.
            _ => {
                let waiting = waiting(&seen.stats);
                let status = if waiting.is_empty() { "ok" } else { "waiting" };
                (status, waiting)
            }
        };
        let code = if reasons.is_empty() {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        (code, Self { status, reasons })
    }
}

/// The tasks that wait for systems outside.
fn waiting(stats: &RunStats) -> Vec<Reason> {
    let mut waiting = Vec::new();
    for component in &stats.components {
        for (number, task) in component.tasks.iter().enumerate() {
            if let Some(reason) = &task.waits_for {
                waiting.push(Reason {
                    task: Some(format!("{}[{number}]", component.component)),
                    reason: reason.clone(),
                });
            }
        }
    }
    waiting
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<String> {
    match serde_json::to_string_pretty(value) {
        Ok(json) => of_type(status, JSON, json + "\n"),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
    }
}

fn text(status: StatusCode, text: &str) -> Response<String> {
    of_type(status, TEXT, text.to_owned())
}

fn of_type(status: StatusCode, content_type: &'static str, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_address_or_localhost() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:9100",
            "localhost:9100",
            "LOCALHOST",
            "[::1]:9100",
            "[::1]",
        ] {
            assert!(is_address(host.as_bytes()), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:9100",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            ":9100",
        ] {
            assert!(!is_address(host.as_bytes()), "{host}");
        }
    }
}
