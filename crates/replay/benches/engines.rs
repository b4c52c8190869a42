//! CPU of this thread per request for each driver, over 64 connections, in turns: why cleartext HTTP/1.1 has an engine of its own.
//!
//! `cargo bench -p rehearsal-replay --bench engines [REQUESTS]`. The server is in this process, in threads whose CPU is not counted.

#![expect(clippy::print_stdout, reason = "figures are for a person")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use replay::Clock;
use replay::driver::{DRIVERS, DriverKind, Happened, Setup};
use replay::sources::Sources;
use replay::target::Target;
use rustix::time::{ClockId, clock_gettime};

const CONNECTIONS: u32 = 64;
const ROUNDS: usize = 7;
const REQUEST: &[u8] = b"GET /item HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let requests = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(100_000);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let target = Target::parse(&format!("http://{}", listener.local_addr()?))?;
    std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(std::thread::spawn(move || serve(stream)))));
    let mut costs_us = vec![Vec::new(); DRIVERS.len()];
    for _ in 0..ROUNDS {
        for (kind, costs_us) in DRIVERS.iter().zip(&mut costs_us) {
            costs_us.push(cost_us(kind, &target, requests)?);
        }
    }
    for (kind, costs_us) in DRIVERS.iter().zip(&mut costs_us) {
        costs_us.sort_by(f64::total_cmp);
        println!("{:8} {:6.2} µs of CPU per request, median of {ROUNDS} rounds of {requests}", kind.name, costs_us[ROUNDS / 2]);
    }
    Ok(())
}

/// Answers whatever comes, one answer for each read: requests here are small and one at a time.
fn serve(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).is_ok_and(|read| read > 0) && stream.write_all(ANSWER).is_ok() {}
}

/// Keeps every connection busy until all requests are answered.
fn cost_us(kind: &DriverKind, target: &Target, requests: u64) -> Result<f64, Box<dyn std::error::Error>> {
    let clock = Clock::starting_in(0);
    let setup =
        Setup { clock: &clock, slots: CONNECTIONS as usize, targets: std::slice::from_ref(target), sources: Sources::default() };
    let mut driver = (kind.open)(&setup)?;
    (0..CONNECTIONS).try_for_each(|slot| driver.open(slot, target)).map_err(|class| class.as_str())?;
    let (mut sent, mut answered, mut events) = (0, 0, Vec::new());
    let before_us = thread_cpu_us();
    while answered < requests {
        driver.wait(clock.now() + 1_000_000_000, &mut events)?;
        for event in events.drain(..) {
            answered += u64::from(matches!(event.what, Happened::Answered { status: 200, reusable: true, .. }));
            if matches!(event.what, Happened::Failed { .. } | Happened::Gone) {
                return Err(format!("{}: {:?}", kind.name, event.what).into());
            }
            if sent < requests {
                driver.send(event.slot, REQUEST).map_err(|class| class.as_str())?;
                sent += 1;
            }
        }
    }
    Ok((thread_cpu_us() - before_us) / requests as f64)
}

fn thread_cpu_us() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
