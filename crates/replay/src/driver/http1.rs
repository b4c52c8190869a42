//! HTTP/1.1 over cleartext TCP: prepared bytes out, answers framed in place, one edge-triggered epoll for all sockets.
//!
//! There are no retries and no redirects. A request that meets a connection which the server closed in the same moment has the outcome
//! `closed` or `reset`, since that is what its user would have seen from a client that does not send twice.

use std::mem::MaybeUninit;
use std::net::SocketAddrV4;
use std::os::fd::OwnedFd;

use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use rustix::time::Timespec;
use trace::{AnswerBody, Coding, ErrorClass, Keep, RunNs};
use wire::Side;
use wire::http1::{Conversation, Ending, Event as Heard};

use super::{Driver, DriverKind, Event, Happened, Received, Setup};
use crate::clock::{Alarm, Clock, SPIN_NS};
use crate::limits::ANSWER_HEAD_BYTES_MAX;
use crate::pool::Slot;
use crate::sources::Sources;
use crate::target::{Scheme, Target};
use crate::{Error, Result};

/// The row in the table of drivers.
pub(super) const KIND: DriverKind = DriverKind { name: "http1", protocol: "http", scheme: Scheme::Http, open };

/// Received at once.
const BUFFER_BYTES: usize = 64 << 10;
/// Sockets looked at between two looks at the schedule, so that a flood of answers delays no send for long.
const EVENTS_MAX: usize = 16;
/// The alarm among the sockets.
const ALARM: u64 = u64::MAX;

fn open(setup: &Setup<'_>) -> Result<Box<dyn Driver>> {
    let failed = |source| Error::io("open", "an epoll and a timer descriptor".as_ref(), source);
    Ok(Box::new(Http1::new(setup).map_err(failed)?))
}

struct Http1 {
    clock: Clock,
    epoll: OwnedFd,
    alarm: Alarm,
    connections: Vec<Option<Connection>>,
    sources: Sources,
    buffer: Box<[MaybeUninit<u8>]>,
}

impl Http1 {
    fn new(setup: &Setup<'_>) -> std::io::Result<Self> {
        let clock = setup.clock.clone();
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let alarm = Alarm::new(&clock)?;
        epoll::add(&epoll, &alarm, epoll::EventData::new_u64(ALARM), epoll::EventFlags::IN | epoll::EventFlags::ET)?;
        let connections = std::iter::repeat_with(|| None).take(setup.slots).collect();
        Ok(Self {
            clock,
            epoll,
            alarm,
            connections,
            sources: setup.sources,
            buffer: vec![MaybeUninit::uninit(); BUFFER_BYTES].into(),
        })
    }

    fn connect(&self, slot: Slot, target: &Target) -> std::result::Result<OwnedFd, Errno> {
        let family = if target.address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        if let Some(source) = self.sources.of(target.address.ip(), slot) {
            rustix::net::bind(&socket, &SocketAddrV4::new(source, 0))?;
        }
        match rustix::net::connect(&socket, &target.address) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
            Err(error) => Err(error),
        }
    }

    fn ready(&mut self, slot: Slot, flags: epoll::EventFlags, events: &mut Vec<Event>) {
        let Some(connection) = self.connections[slot as usize].as_mut() else { return };
        let happened = if connection.opening.is_some() {
            connection.opened(self.clock.now())
        } else {
            connection.proceed(flags, &self.clock, &mut self.buffer)
        };
        events.extend(happened.map(|(at, what)| Event { slot, at, what }));
    }
}

impl Driver for Http1 {
    fn open(&mut self, slot: Slot, target: &Target) -> std::result::Result<(), ErrorClass> {
        let at = self.clock.now();
        let socket = self.connect(slot, target).map_err(connect_class)?;
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        epoll::add(&self.epoll, &socket, epoll::EventData::new_u64(slot.into()), flags).map_err(connect_class)?;
        self.connections[slot as usize] = Some(Connection::new(socket, at));
        Ok(())
    }

    fn send(&mut self, slot: Slot, request: &[u8]) -> std::result::Result<(), ErrorClass> {
        match &mut self.connections[slot as usize] {
            Some(connection) => connection.send(request),
            None => Err(ErrorClass::Closed),
        }
    }

    fn keep_answer(&mut self, slot: Slot, keep: Keep) {
        if let Some(connection) = &mut self.connections[slot as usize] {
            connection.keep = keep;
        }
    }

    fn take_answer(&mut self, slot: Slot) -> Option<Box<AnswerBody>> {
        self.connections[slot as usize].as_mut()?.body.take()
    }

    fn close(&mut self, slot: Slot) {
        self.connections[slot as usize] = None;
    }

    fn wait(&mut self, until: RunNs, events: &mut Vec<Event>) -> std::io::Result<()> {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let far = until - self.clock.now() > SPIN_NS;
        if far {
            self.alarm.set(until + -SPIN_NS)?;
        }
        let mut ready = [MaybeUninit::uninit(); EVENTS_MAX];
        let ready = match epoll::wait(&self.epoll, &mut ready, if far { None } else { Some(&at_once) }) {
            Ok((ready, _)) => ready,
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for event in ready {
            let slot = event.data.u64();
            if slot != ALARM {
                self.ready(slot as Slot, event.flags, events);
            }
        }
        Ok(())
    }
}

fn connect_class(error: Errno) -> ErrorClass {
    match error {
        Errno::CONNREFUSED => ErrorClass::Refused,
        Errno::MFILE | Errno::NFILE | Errno::ADDRNOTAVAIL | Errno::ADDRINUSE | Errno::NOBUFS | Errno::NOMEM => {
            ErrorClass::ShedDescriptors
        }
        _ => ErrorClass::Connect,
    }
}

fn io_class(error: Errno) -> ErrorClass {
    match error {
        Errno::CONNRESET => ErrorClass::Reset,
        Errno::PIPE => ErrorClass::Closed,
        _ => ErrorClass::Io,
    }
}

/// One socket and what is said on it.
struct Connection {
    socket: OwnedFd,
    /// Since when it is being opened.
    opening: Option<RunNs>,
    conversation: Conversation,
    /// Of the request, what the socket did not take yet.
    unsent: Vec<u8>,
    /// Of the answer, the front of a head that is not complete.
    held: Vec<u8>,
    status: u16,
    keep_alive: bool,
    received: Received,
    keep: Keep,
    body: Option<Box<AnswerBody>>,
}

impl Connection {
    fn new(socket: OwnedFd, at: RunNs) -> Self {
        Self {
            socket,
            opening: Some(at),
            conversation: Conversation::new(),
            unsent: Vec::new(),
            held: Vec::new(),
            status: 0,
            keep_alive: true,
            received: Received::default(),
            keep: Keep::Nothing,
            body: None,
        }
    }

    fn opened(&mut self, at: RunNs) -> Option<(RunNs, Happened)> {
        let since = self.opening.take()?;
        let outcome = sockopt::socket_error(&self.socket).and_then(|result| result);
        let what = match outcome {
            Ok(()) => Happened::Opened { connect_ns: Some(at - since) },
            Err(error) => Happened::Failed { class: connect_class(error), received: Received::default() },
        };
        Some((at, what))
    }

    fn send(&mut self, request: &[u8]) -> std::result::Result<(), ErrorClass> {
        let method = request.split(|byte| *byte == b' ').next().unwrap_or_default();
        if !self.conversation.note_request(method) {
            return Err(ErrorClass::Io);
        }
        (self.status, self.keep_alive, self.received) = (0, true, Received::default());
        let sent = self.write(request)?;
        self.unsent.extend_from_slice(&request[sent..]);
        Ok(())
    }

    /// How much of `bytes` the socket took.
    fn write(&self, bytes: &[u8]) -> std::result::Result<usize, ErrorClass> {
        match rustix::net::send(&self.socket, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) => Ok(sent),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(io_class(error)),
        }
    }

    /// Writes and reads what the socket is ready for. What comes of it happened when the last of its bytes were there.
    fn proceed(&mut self, flags: epoll::EventFlags, clock: &Clock, buffer: &mut [MaybeUninit<u8>]) -> Option<(RunNs, Happened)> {
        if !self.unsent.is_empty() {
            // A failure to write shows again on reading, after what the server may have said before it closed.
            let sent = self.write(&self.unsent).unwrap_or(self.unsent.len());
            self.unsent.drain(..sent);
        }
        let to_the_end = flags.intersects(epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR);
        loop {
            let received = rustix::net::recv(&self.socket, &mut *buffer, RecvFlags::empty());
            let at = clock.now();
            match received {
                Ok((([], _), _)) => return Some((at, self.ended())),
                Ok(((bytes, rest), _)) => {
                    let drained = !rest.is_empty();
                    if let Some(what) = self.feed(bytes, at) {
                        return Some((at, what));
                    }
                    if drained && !to_the_end {
                        return None;
                    }
                }
                Err(Errno::AGAIN) => return None,
                Err(Errno::INTR) => {}
                Err(error) => return Some((at, self.failed(io_class(error)))),
            }
        }
    }

    fn failed(&self, class: ErrorClass) -> Happened {
        if self.conversation.outstanding() == 0 { Happened::Gone } else { Happened::Failed { class, received: self.received } }
    }

    /// The server closed: that ends an answer without a length, cuts any other short, and is its right between two.
    fn ended(&mut self) -> Happened {
        let waits = self.conversation.outstanding() > 0;
        match self.conversation.closed(Side::Server) {
            Ending::Finished if waits => Happened::Answered { status: self.status, received: self.received, reusable: false },
            _ if waits => Happened::Failed { class: ErrorClass::Closed, received: self.received },
            _ => Happened::Gone,
        }
    }

    fn feed(&mut self, bytes: &[u8], at: RunNs) -> Option<Happened> {
        if self.conversation.outstanding() == 0 {
            return Some(Happened::Gone);
        }
        self.received.first_byte.get_or_insert(at);
        self.received.bytes += bytes.len() as u64;
        if self.held.is_empty() {
            let (used, what) = self.hear(bytes);
            self.held.extend_from_slice(&bytes[used..]);
            return what;
        }
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(bytes);
        let (used, what) = self.hear(&held);
        held.drain(..used);
        self.held = held;
        what
    }

    /// Frames what was received. Says how much was used, and what it amounts to.
    fn hear(&mut self, bytes: &[u8]) -> (usize, Option<Happened>) {
        let mut used = 0;
        loop {
            let step = self.conversation.server(&bytes[used..]);
            used += step.used;
            match step.event {
                Some(Heard::Head(head)) => {
                    (self.status, self.keep_alive) = (head.status, head.keep_alive);
                    if self.keep != Keep::Nothing && !head.informational {
                        let coding = Coding::of(head.headers.get("content-encoding"));
                        self.body = Some(Box::new(AnswerBody::new(coding, std::mem::take(&mut self.keep))));
                    }
                }
                Some(Heard::Body(part)) => {
                    if let Some(body) = &mut self.body {
                        body.push(part);
                    }
                }
                Some(Heard::End) if self.conversation.outstanding() > 0 => {}
                Some(Heard::End) => return (bytes.len(), Some(self.answered(used == bytes.len()))),
                Some(Heard::Tunnel(_) | Heard::Malformed(_)) => return (bytes.len(), Some(self.failed(ErrorClass::Protocol))),
                None if bytes.len() - used > ANSWER_HEAD_BYTES_MAX => {
                    return (bytes.len(), Some(self.failed(ErrorClass::Protocol)));
                }
                None => return (used, None),
            }
        }
    }

    /// `clean`: nothing came behind the answer.
    fn answered(&self, clean: bool) -> Happened {
        let reusable = clean && self.keep_alive && self.unsent.is_empty() && !self.conversation.is_tunnel();
        Happened::Answered { status: self.status, received: self.received, reusable }
    }
}
