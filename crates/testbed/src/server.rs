//! Sockets and threads: accepts connections, reads requests, holds answers until they may leave.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener as StdListener, ToSocketAddrs};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::answer::{Answer, Call, Failure, Said, close_envelope};
use crate::clock::{self, Timer};
use crate::common::{App, Service, status_of};
use crate::dials::{Board, Turn};
use crate::error::Error;
use crate::limits::{BODY_BYTES_MAX, CONNECTIONS_MAX, GRACE_NS, THREADS_MAX};
use crate::metrics::Metrics;
use crate::queue::{Queue, QueueOptions};
use crate::vectors::Vectors;

/// What to serve.
#[derive(Debug, Clone)]
pub enum Target {
    /// A vector database with exact nearest neighbours, empty at first.
    Vectors,
    /// A queue of known capacity.
    Queue(QueueOptions),
}

/// How to serve it.
#[derive(Debug, Clone)]
pub struct Options {
    /// What to serve.
    pub target: Target,
    /// `HOST:PORT`, or a port of the loopback address; port 0 picks a free one.
    pub listen: String,
    /// Threads that answer, each with a runtime of its own.
    pub threads: usize,
    /// How the dials stand at the start.
    pub dials: Vec<Turn>,
    /// Decides service times and which requests the error dial hits.
    pub seed: u64,
}

impl Options {
    /// One thread on a free port of the loopback address, dials at rest.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self { target, listen: "127.0.0.1:0".into(), threads: 1, dials: Vec::new(), seed: 1 }
    }
}

/// A server that runs in background threads. Dropping it stops it.
pub struct Server {
    address: SocketAddr,
    stopper: Stopper,
    threads: Vec<JoinHandle<()>>,
}

/// Stops a server from anywhere, such as a signal handler.
#[derive(Clone)]
pub struct Stopper(Arc<watch::Sender<bool>>);

impl Stopper {
    /// Closes the listener; open requests get two seconds to finish. Returns at once.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Server {
    /// The address it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// `http://HOST:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A handle that stops it.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Waits until it has been stopped and is done.
    pub fn wait(mut self) {
        self.join();
    }

    /// Stops it and waits until it is done.
    pub fn stop(self) {
        self.stopper.stop();
        self.wait();
    }

    fn join(&mut self) {
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so on standard error, and is as done as it will be.
            let _panicked = thread.join().is_err();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopper.stop();
        self.join();
    }
}

/// Starts a server.
///
/// # Errors
/// Where the address is none, is in use or not allowed, or an option has a value that cannot be.
pub fn serve(options: Options) -> Result<Server, Error> {
    if !(1..=THREADS_MAX).contains(&options.threads) {
        return Err(Error::option(format!("{} threads cannot serve; choose from 1 to {THREADS_MAX}", options.threads)));
    }
    raise_descriptor_limit();
    let service = Arc::new(service(&options)?);
    let listener = listen(&options.listen)?;
    let address = listener.local_addr().map_err(Error::system("read the address of the listener"))?;
    let open = Arc::new(AtomicUsize::new(0));
    let (sender, stop) = watch::channel(false);
    let mut server = Server { address, stopper: Stopper(Arc::new(sender)), threads: Vec::new() };
    for _ in 0..options.threads {
        let listener = listener.try_clone().map_err(Error::system("share the listener"))?;
        let worker = Worker::new(listener, service.clone(), open.clone(), stop.clone())?;
        let spawned = std::thread::Builder::new().name("testbed".into()).spawn(move || worker.run());
        server.threads.push(spawned.map_err(Error::system("start a thread"))?);
    }
    Ok(server)
}

/// As many descriptors as the system lets this process have. Where it allows no more, connections beyond are counted as accept
/// errors.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _refused = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).is_err();
}

fn service(options: &Options) -> Result<Service, Error> {
    let app: Box<dyn App> = match &options.target {
        Target::Vectors => Box::new(Vectors::default()),
        Target::Queue(queue) => Box::new(Queue::new(queue, options.seed)?),
    };
    let dials = Board::new(options.seed);
    for turn in &options.dials {
        dials.turn(turn, clock::now_ns()).map_err(|failure| Error::option(failure.message))?;
    }
    Ok(Service { app, dials, metrics: Metrics::default() })
}

/// A listener whose backlog is as long as the system allows, so that a burst of connections is not refused for the testbed's sake.
fn listen(text: &str) -> Result<StdListener, Error> {
    let address = parse_address(text)?;
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let bound = rustix::net::socket_with(family, SocketType::STREAM, flags, None).and_then(|socket| {
        sockopt::set_socket_reuseaddr(&socket, true)?;
        rustix::net::bind(&socket, &address)?;
        rustix::net::listen(&socket, backlog_max())?;
        Ok(socket)
    });
    bound.map(StdListener::from).map_err(|error| Error::Listen { address, source: error.into() })
}

fn parse_address(text: &str) -> Result<SocketAddr, Error> {
    let port = text.strip_prefix(':').unwrap_or(text).parse::<u16>();
    if let Ok(port) = port {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let found = text.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    found.ok_or_else(|| Error::Address { text: text.into() })
}

/// `net.core.somaxconn`; the kernel cuts a larger backlog to it, so where it cannot be read, all is asked for.
fn backlog_max() -> i32 {
    let somaxconn = std::fs::read_to_string("/proc/sys/net/core/somaxconn");
    somaxconn.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(i32::MAX)
}

/// One thread of a server.
struct Worker {
    runtime: Runtime,
    listener: TcpListener,
    timer: Arc<Timer>,
    service: Arc<Service>,
    /// Connections open in all threads.
    open: Arc<AtomicUsize>,
    stop: watch::Receiver<bool>,
}

impl Worker {
    fn new(
        listener: StdListener,
        service: Arc<Service>,
        open: Arc<AtomicUsize>,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let runtime = runtime.map_err(Error::system("start a runtime"))?;
        let (listener, timer) = {
            let _entered = runtime.enter();
            (TcpListener::from_std(listener), Timer::new())
        };
        Ok(Self {
            runtime,
            listener: listener.map_err(Error::system("watch the listener"))?,
            timer: Arc::new(timer.map_err(Error::system("make a timer"))?),
            service,
            open,
            stop,
        })
    }

    fn run(self) {
        let Self { runtime, listener, timer, service, open, stop } = self;
        runtime.block_on(async {
            let ticking = timer.clone();
            tokio::spawn(async move { ticking.drive().await });
            let mut connections = JoinSet::new();
            let door = Door { timer: timer.clone(), service, open, stop };
            door.accept_until_stopped(listener, &mut connections).await;
            let finished = async { while connections.join_next().await.is_some() {} };
            tokio::select! {
                () = finished => {}
                () = timer.until(clock::now_ns() + GRACE_NS) => {}
            }
        });
    }
}

/// Lets connections in.
struct Door {
    timer: Arc<Timer>,
    service: Arc<Service>,
    open: Arc<AtomicUsize>,
    stop: watch::Receiver<bool>,
}

impl Door {
    /// The listener is closed on return.
    async fn accept_until_stopped(&self, listener: TcpListener, connections: &mut JoinSet<()>) {
        let mut stop = self.stop.clone();
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => self.admit(stream, connections),
                    Err(_) => self.pause().await,
                },
            }
        }
    }

    fn admit(&self, stream: TcpStream, connections: &mut JoinSet<()>) {
        let slot = Slot(self.open.clone());
        if self.open.fetch_add(1, Relaxed) >= CONNECTIONS_MAX {
            self.service.metrics.connections_refused.fetch_add(1, Relaxed);
            return;
        }
        self.service.metrics.connections.fetch_add(1, Relaxed);
        let (service, timer, stop) = (self.service.clone(), self.timer.clone(), self.stop.clone());
        connections.spawn(async move {
            let _slot = slot;
            converse(stream, service, timer, stop).await;
        });
    }

    /// The system is out of descriptors or memory: counted, and tried again a little later.
    async fn pause(&self) {
        const PAUSE_NS: i64 = 10_000_000;
        self.service.metrics.accept_errors.fetch_add(1, Relaxed);
        self.timer.until(clock::now_ns() + PAUSE_NS).await;
    }
}

/// Completes when the server is told to stop, or is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _gone = stop.wait_for(|stopped| *stopped).await.is_err();
}

/// One of the open connections; given back when dropped.
struct Slot(Arc<AtomicUsize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

async fn converse(stream: TcpStream, service: Arc<Service>, timer: Arc<Timer>, mut stop: watch::Receiver<bool>) {
    if stream.set_nodelay(true).is_err() {
        return; // the peer has gone already
    }
    let respond = service_fn(move |request| respond(service.clone(), timer.clone(), request));
    let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), respond));
    // A connection that breaks is the client's affair; its answered requests are counted.
    let _broken = tokio::select! {
        done = connection.as_mut() => done.is_err(),
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await.is_err()
        }
    };
}

async fn respond(
    service: Arc<Service>,
    timer: Arc<Timer>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let read = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let arrived_ns = clock::now_ns();
    let (endpoint, said) = match read {
        Ok(body) => {
            let (path, query) = (head.uri.path(), head.uri.query().unwrap_or(""));
            let call = Call { method: &head.method, path, query, body: &body.to_bytes() };
            let Answer { endpoint, said, at_ns } = service.answer(&call, arrived_ns);
            hold(&service, &timer, &call, at_ns).await;
            (endpoint, said)
        }
        Err(error) => ("unread", Err(unread(&*error))),
    };
    let took_ns = clock::now_ns() - arrived_ns;
    service.metrics.count(method_name(&head.method), endpoint, status_of(&said).as_u16(), took_ns);
    Ok(render(said, took_ns))
}

fn unread(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Failure {
    if error.is::<LengthLimitError>() {
        let reason = format!("Payload error: the body is larger than allowed (limit: {BODY_BYTES_MAX} bytes)");
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, reason)
    } else {
        Failure::new(StatusCode::BAD_REQUEST, format!("Payload error: {error}"))
    }
}

/// Waits until the answer is due and no stall freezes it. A stall is looked at again every few milliseconds, since a dial may end it.
async fn hold(service: &Service, timer: &Timer, call: &Call<'_>, at_ns: i64) {
    const LOOK_NS: i64 = 5_000_000;
    loop {
        let now_ns = clock::now_ns();
        let stalled_until_ns = service.stalled_until_ns(call);
        let wake_ns = if stalled_until_ns > at_ns { stalled_until_ns.min(now_ns + LOOK_NS) } else { at_ns };
        if now_ns >= wake_ns {
            return;
        }
        timer.until(wake_ns).await;
    }
}

fn method_name(method: &Method) -> &'static str {
    const NAMES: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];
    NAMES.into_iter().find(|name| *name == method.as_str()).unwrap_or("other")
}

fn render(said: Result<Said, Failure>, took_ns: i64) -> Response<Full<Bytes>> {
    let status = status_of(&said);
    let (content_type, body) = match said {
        Ok(Said::Result(mut body)) => {
            close_envelope(&mut body, took_ns);
            ("application/json", body)
        }
        Ok(Said::Page { content_type, text }) => (content_type, text.into_bytes()),
        Err(failure) => ("application/json", failure.envelope(took_ns)),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
