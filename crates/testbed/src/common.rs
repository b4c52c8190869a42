//! What every testbed server answers beside its own work: health, metrics, telemetry, dials.

use std::sync::atomic::Ordering::Relaxed;

use hyper::{Method, StatusCode};
use serde_json::json;

use crate::answer::{Answer, Call, Failure, Said, open_envelope, parse, write_json};
use crate::dials::{Board, Turn};
use crate::metrics::{Metrics, Page};

/// What a server does for its living: a pure function of calls and instants.
pub trait App: Send + Sync {
    /// Answers `call`, which came in full at `now_ns` on the monotonic clock.
    fn answer(&self, call: &Call<'_>, now_ns: i64) -> Answer;
    /// What it is, for `GET /`.
    fn title(&self) -> &'static str;
    /// Its own metrics.
    fn metrics(&self, now_ns: i64, page: &mut Page);
    /// Its own part of the telemetry, as a name and a value.
    fn telemetry(&self, now_ns: i64) -> (&'static str, serde_json::Value);
}

/// A server: its work, its dials and its counters.
pub struct Service {
    /// Its work.
    pub app: Box<dyn App>,
    /// Its dials.
    pub dials: Board,
    /// Its counters.
    pub metrics: Metrics,
}

/// The path that turns the dials.
pub const DIALS_PATH: &str = "/testbed/dials";
/// The path of the metrics.
const METRICS_PATH: &str = "/metrics";

type Handler = fn(&Service, &Call<'_>, i64) -> Result<Said, Failure>;

/// The common routes.
const ROUTES: &[(Method, &str, Handler)] = &[
    (Method::GET, "/", root),
    (Method::GET, "/healthz", healthz),
    (Method::GET, "/livez", healthz),
    (Method::GET, "/readyz", readyz),
    (Method::GET, METRICS_PATH, metrics),
    (Method::GET, "/telemetry", telemetry),
    (Method::GET, DIALS_PATH, show_dials),
    (Method::PUT, DIALS_PATH, turn_dials),
];

impl Service {
    /// Answers a call. The failure a dial asks for comes before any work; a dial's delay is added to the work's own.
    pub fn answer(&self, call: &Call<'_>, now_ns: i64) -> Answer {
        if is_control(call.path) {
            return self.work(call, now_ns);
        }
        let (delay_ns, failure) = self.dials.meet(call.collection().as_deref());
        let mut answer = match failure {
            Some(failure) => Answer { endpoint: "dial", said: Err(failure), at_ns: now_ns },
            None => self.work(call, now_ns),
        };
        answer.at_ns += delay_ns;
        answer
    }

    /// The instant until which the dials freeze the answer to `call`.
    pub fn stalled_until_ns(&self, call: &Call<'_>) -> i64 {
        if is_control(call.path) { 0 } else { self.dials.stalled_until_ns(call.collection().as_deref()) }
    }

    fn work(&self, call: &Call<'_>, now_ns: i64) -> Answer {
        match ROUTES.iter().find(|(method, path, _)| *path == call.path && method == call.method) {
            Some((_, path, handler)) => Answer { endpoint: path, said: handler(self, call, now_ns), at_ns: now_ns },
            None => self.app.answer(call, now_ns),
        }
    }
}

/// The dials and the metrics stay in reach however the dials stand.
fn is_control(path: &str) -> bool {
    path == DIALS_PATH || path == METRICS_PATH
}

fn text(text: String) -> Result<Said, Failure> {
    Ok(Said::Page { content_type: "text/plain; version=0.0.4", text })
}

fn result(value: &serde_json::Value) -> Result<Said, Failure> {
    let mut out = open_envelope();
    write_json(&mut out, value)?;
    Ok(Said::Result(out))
}

fn root(service: &Service, _: &Call<'_>, _: i64) -> Result<Said, Failure> {
    let about = json!({ "title": service.app.title(), "version": env!("CARGO_PKG_VERSION") });
    Ok(Said::Page { content_type: "application/json", text: about.to_string() })
}

fn healthz(_: &Service, _: &Call<'_>, _: i64) -> Result<Said, Failure> {
    text("healthz check passed".into())
}

fn readyz(_: &Service, _: &Call<'_>, _: i64) -> Result<Said, Failure> {
    text("all shards are ready".into())
}

fn metrics(service: &Service, _: &Call<'_>, now_ns: i64) -> Result<Said, Failure> {
    let mut page = Page::default();
    service.metrics.write(&mut page);
    service.app.metrics(now_ns, &mut page);
    text(page.finish())
}

fn telemetry(service: &Service, _: &Call<'_>, now_ns: i64) -> Result<Said, Failure> {
    let (name, own) = service.app.telemetry(now_ns);
    result(&json!({
        "app": { "name": "rehearsal-testbed", "version": env!("CARGO_PKG_VERSION") },
        name: own,
        "connections": service.metrics.connections.load(Relaxed),
        "requests": { "rest": { "responses": service.metrics.telemetry() } },
    }))
}

fn show_dials(service: &Service, _: &Call<'_>, now_ns: i64) -> Result<Said, Failure> {
    result(&service.dials.shown(now_ns))
}

fn turn_dials(service: &Service, call: &Call<'_>, now_ns: i64) -> Result<Said, Failure> {
    service.dials.turn(&parse::<Turn>(call.body)?, now_ns)?;
    show_dials(service, call, now_ns)
}

/// The status of an answer.
pub fn status_of(said: &Result<Said, Failure>) -> StatusCode {
    match said {
        Ok(_) => StatusCode::OK,
        Err(failure) => failure.status,
    }
}
