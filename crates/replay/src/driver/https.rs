//! HTTP/1.1 over TLS, through reqwest: no redirects, no proxies, no retries, no decompression.
//!
//! reqwest keeps its own connections. A slot is therefore a place for one request at a time, not a connection: `connect_ns` stands with
//! the request for which reqwest opened one, and sizes of answers are those of head and body after TLS, the status line left out.

use std::cell::Cell;
use std::error::Error as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use reqwest::{Client, Method, Request, Response, Url};
use tokio::io::unix::AsyncFd;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;
use tower_layer::Layer;
use tower_service::Service;
use trace::{AnswerBody, Coding, ErrorClass, Keep, RunNs};
use wire::http1::{Conversation, Event as Heard};

use super::{Driver, DriverKind, Event, Happened, Received, Setup};
use crate::clock::{Alarm, Clock, SPIN_NS};
use crate::pool::Slot;
use crate::target::{Scheme, Target};
use crate::{Error, Result};

/// The row in the table of drivers.
pub(super) const KIND: DriverKind = DriverKind { name: "https", protocol: "http", scheme: Scheme::Https, open };

/// A runtime for the calling thread alone.
pub(crate) fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// A client that changes nothing about what is sent and hides nothing of what comes back. Connecting may take `connect_timeout`.
pub(crate) fn client(connect_timeout: Duration) -> Result<Client> {
    builder(connect_timeout).build().map_err(|e| Error::Refused(format!("no client for HTTPS can be made: {}", reason(&e))))
}

fn builder(connect_timeout: Duration) -> reqwest::ClientBuilder {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Whoever was first has installed the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(connect_timeout)
        .tcp_nodelay(true)
}

/// The innermost reason of an error, which is the one that says something.
pub(crate) fn reason(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Longer than any timeout of a request, which the worker keeps.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3600);

fn open(setup: &Setup<'_>) -> Result<Box<dyn Driver>> {
    let failed = |source| Error::io("open", "a runtime and a timer descriptor".as_ref(), source);
    let runtime = runtime().map_err(failed)?;
    let alarm = awaited(&runtime, Alarm::new(setup.clock).map_err(failed)?).map_err(failed)?;
    // Names are looked up once, before the run.
    let pin = |builder: reqwest::ClientBuilder, target: &Target| builder.resolve(&target.host, target.address);
    let timed = builder(CONNECT_TIMEOUT).connector_layer(Timed(setup.clock.clone()));
    let client = setup.targets.iter().fold(timed, pin);
    let client = client.build().map_err(|e| Error::Refused(format!("no client for HTTPS can be made: {}", reason(&e))))?;
    let (sender, receiver) = unbounded_channel();
    let places = std::iter::repeat_with(Place::default).take(setup.slots).collect();
    Ok(Box::new(Https { clock: setup.clock.clone(), runtime, alarm, client, sender, receiver, places }))
}

/// Makes the alarm something a task can wait for.
#[expect(
    deprecated,
    reason = "what replaces it is unsafe; all that asks for is that the alarm owns its descriptor, which it does"
)]
fn awaited(runtime: &Runtime, alarm: Alarm) -> std::io::Result<AsyncFd<Alarm>> {
    let _inside = runtime.enter();
    AsyncFd::new(alarm)
}

#[derive(Default)]
struct Place {
    origin: String,
    /// Tells events of an earlier use of the place from those of this one.
    turn: u64,
    task: Option<AbortHandle>,
    keep: Keep,
    answer: Option<Box<AnswerBody>>,
}

/// An event, the turn of its place, and the body that came with it.
type Told = (u64, Event, Option<Box<AnswerBody>>);

struct Https {
    clock: Clock,
    runtime: Runtime,
    alarm: AsyncFd<Alarm>,
    client: Client,
    /// Holds at most one event for each place and turn.
    sender: UnboundedSender<Told>,
    receiver: UnboundedReceiver<Told>,
    places: Vec<Place>,
}

impl Https {
    fn take(&mut self, (turn, event, answer): Told, events: &mut Vec<Event>) {
        let place = &mut self.places[event.slot as usize];
        if place.turn == turn {
            place.answer = answer;
            events.push(event);
        }
    }
}

impl Driver for Https {
    fn open(&mut self, slot: Slot, target: &Target) -> std::result::Result<(), ErrorClass> {
        let place = &mut self.places[slot as usize];
        place.turn += 1;
        place.origin.clone_from(&target.origin);
        let event = Event { slot, at: self.clock.now(), what: Happened::Opened { connect_ns: None } };
        self.sender.send((place.turn, event, None)).map_err(|_| ErrorClass::Io)
    }

    fn send(&mut self, slot: Slot, request: &[u8]) -> std::result::Result<(), ErrorClass> {
        let place = &mut self.places[slot as usize];
        let request = rebuilt(&place.origin, request).ok_or(ErrorClass::Unreplayable)?;
        let (client, clock, sender, turn) = (self.client.clone(), self.clock.clone(), self.sender.clone(), place.turn);
        let keep = std::mem::take(&mut place.keep);
        let task = async move {
            let mut answer = None;
            let exchange = exchange(&client, request, &clock, keep, &mut answer);
            let what = CONNECT_NS.scope(Cell::default(), exchange).await;
            // Nobody listens any more once the driver is gone.
            let _ = sender.send((turn, Event { slot, at: clock.now(), what }, answer));
        };
        place.task = Some(self.runtime.spawn(task).abort_handle());
        Ok(())
    }

    fn keep_answer(&mut self, slot: Slot, keep: Keep) {
        self.places[slot as usize].keep = keep;
    }

    fn take_answer(&mut self, slot: Slot) -> Option<Box<AnswerBody>> {
        self.places[slot as usize].answer.take()
    }

    fn close(&mut self, slot: Slot) {
        let place = &mut self.places[slot as usize];
        place.turn += 1;
        place.answer = None;
        if let Some(task) = place.task.take() {
            task.abort();
        }
    }

    fn wait(&mut self, until: RunNs, events: &mut Vec<Event>) -> std::io::Result<()> {
        if until - self.clock.now() > SPIN_NS {
            self.alarm.get_mut().set(until + -SPIN_NS)?;
            let first = self.runtime.block_on(async {
                tokio::select! {
                    event = self.receiver.recv() => Ok(event),
                    ready = self.alarm.readable() => ready.map(|mut ready| { ready.clear_ready(); None }),
                }
            })?;
            first.into_iter().for_each(|event| self.take(event, events));
        } else {
            self.runtime.block_on(tokio::task::yield_now());
        }
        while let Ok(event) = self.receiver.try_recv() {
            self.take(event, events);
        }
        Ok(())
    }
}

tokio::task_local! {
    /// How long the connection took that was opened for the request of this task.
    static CONNECT_NS: Cell<Option<i64>>;
}

/// Times connections from the call to the end of the TLS handshake.
#[derive(Clone)]
struct Timed(Clock);

impl<S> Layer<S> for Timed {
    type Service = TimedConnector<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TimedConnector { inner, clock: self.0.clone() }
    }
}

#[derive(Clone)]
struct TimedConnector<S> {
    inner: S,
    clock: Clock,
}

impl<S: Service<R>, R> Service<R> for TimedConnector<S>
where
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<std::result::Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let (clock, since, connecting) = (self.clock.clone(), self.clock.now(), self.inner.call(request));
        Box::pin(async move {
            let connection = connecting.await;
            // One that is finished in the background, since another became free first, is no request's.
            let _ = CONNECT_NS.try_with(|connect_ns| connect_ns.set(Some(clock.now() - since)));
            connection
        })
    }
}

/// Takes prepared bytes apart again. reqwest computes the length itself and takes the host from the URL.
fn rebuilt(origin: &str, bytes: &[u8]) -> Option<Request> {
    let mut conversation = Conversation::new();
    let step = conversation.client(bytes);
    let Some(Heard::Head(head)) = step.event else { return None };
    let target = std::str::from_utf8(head.target).ok()?;
    let url = Url::parse(&format!("{origin}{target}")).ok()?;
    let mut request = Request::new(Method::from_bytes(head.method).ok()?, url);
    for (name, value) in head.headers {
        let name = reqwest::header::HeaderName::from_bytes(name).ok()?;
        if name != reqwest::header::CONTENT_LENGTH {
            request.headers_mut().append(name, reqwest::header::HeaderValue::from_bytes(value).ok()?);
        }
    }
    let body = &bytes[step.used..];
    if !body.is_empty() {
        *request.body_mut() = Some(body.to_vec().into());
    }
    Some(request)
}

async fn exchange(
    client: &Client,
    request: Request,
    clock: &Clock,
    keep: Keep,
    answer: &mut Option<Box<AnswerBody>>,
) -> Happened {
    let mut received = Received::default();
    let mut response = match client.execute(request).await {
        Ok(response) => response,
        Err(error) => return Happened::Failed { class: class_of(&error), received },
    };
    received.connect_ns = CONNECT_NS.with(Cell::get);
    received.first_byte = Some(clock.now());
    received.bytes = head_bytes(&response);
    if keep != Keep::Nothing {
        let coding = Coding::of(response.headers().get("content-encoding").map(|value| value.as_bytes()));
        *answer = Some(Box::new(AnswerBody::new(coding, keep)));
    }
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                received.bytes += chunk.len() as u64;
                if let Some(answer) = answer {
                    answer.push(&chunk);
                }
            }
            Ok(None) => return Happened::Answered { status: response.status().as_u16(), received, reusable: true },
            Err(error) => return Happened::Failed { class: class_of(&error), received },
        }
    }
}

/// Header lines and the empty line.
fn head_bytes(response: &Response) -> u64 {
    response.headers().iter().map(|(name, value)| (name.as_str().len() + value.len() + 4) as u64).sum::<u64>() + 2
}

/// The class of a failure, from whatever in the chain of causes has a name for it.
fn class_of(error: &reqwest::Error) -> ErrorClass {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(class) = class_of_cause(inner) {
            return class;
        }
        cause = inner.source();
    }
    if error.is_connect() { ErrorClass::Connect } else { ErrorClass::Io }
}

fn class_of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<ErrorClass> {
    if cause.is::<rustls::Error>() {
        return Some(ErrorClass::Tls);
    }
    if let Some(error) = cause.downcast_ref::<hyper::Error>() {
        let cut_short = error.is_incomplete_message().then_some(ErrorClass::Closed);
        return cut_short.or(error.is_parse().then_some(ErrorClass::Protocol));
    }
    let error = cause.downcast_ref::<std::io::Error>()?;
    // What an I/O error wraps is not among its sources.
    error.get_ref().and_then(|inner| class_of_cause(inner)).or_else(|| class_of_kind(error.kind()))
}

fn class_of_kind(kind: std::io::ErrorKind) -> Option<ErrorClass> {
    use std::io::ErrorKind;
    match kind {
        ErrorKind::ConnectionRefused => Some(ErrorClass::Refused),
        ErrorKind::ConnectionReset => Some(ErrorClass::Reset),
        ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe => Some(ErrorClass::Closed),
        _ => None,
    }
}
