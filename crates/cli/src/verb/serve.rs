//! `rehearsal serve`: a target that ships with the tool.

use clap::{Args, Subcommand};
use testbed::queue::{Law, QueueOptions};
use testbed::{Options, Target, Turn};

use super::Done;
use crate::failure::Failure;
use crate::{interrupt, output};

pub const EXAMPLE: &str = "Examples:
  rehearsal serve vectors --listen 127.0.0.1:6333
  rehearsal serve queue --workers 4 --service exp:2ms --listen 127.0.0.1:8080";

/// Words of `serve`.
#[derive(Args)]
pub struct Words {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// A vector database with exact nearest neighbours, speaking a part of Qdrant's REST interface
    #[command(after_help = EXAMPLE)]
    Vectors {
        #[command(flatten)]
        common: Common,
    },
    /// A queue whose capacity and waiting times are known in closed form
    #[command(after_help = EXAMPLE)]
    Queue {
        /// Requests served at once
        #[arg(long, default_value_t = 1)]
        workers: usize,
        /// Law of the service time: const:1ms, exp:1ms, lognormal:1ms,cv=2, hyperexp:1ms,cv=3 …
        #[arg(long, value_name = "LAW:MEAN", default_value = "exp:1ms")]
        service: Law,
        /// Requests that may wait; past it the answer is 503 at once
        #[arg(long, value_name = "N", default_value_t = 100_000)]
        queue: usize,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Args)]
struct Common {
    /// Address and port, or a port of the loopback address; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: String,
    /// Threads that answer
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
    /// Added to every answer, in milliseconds
    #[arg(long, value_name = "MS")]
    delay_ms: Option<f64>,
    /// Share of requests answered with an error instead, 0 to 1
    #[arg(long, value_name = "SHARE")]
    error_rate: Option<f64>,
    /// Decides service times and which requests fail
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub fn run(words: Words) -> Result<Done, Failure> {
    let (target, common) = match words.what {
        What::Vectors { common } => (Target::Vectors, common),
        What::Queue { workers, service, queue, common } => {
            (Target::Queue(QueueOptions { workers, service, waiting_max: queue }), common)
        }
    };
    let said = announcement(&target);
    let server = testbed::serve(options(target, common))?;
    output::say(&format!("{said}, listening on {} (Ctrl-C stops it)", server.url()))?;
    let stopper = server.stopper();
    interrupt::on_first(move || stopper.stop())?;
    server.wait();
    Ok(Done::Fine)
}

fn options(target: Target, common: Common) -> Options {
    let Common { listen, threads, delay_ms, error_rate, seed } = common;
    let turned = delay_ms.is_some() || error_rate.is_some();
    let dials = if turned { vec![Turn { delay_ms, error_rate, ..Turn::default() }] } else { Vec::new() };
    Options { listen, threads, dials, seed, ..Options::new(target) }
}

fn announcement(target: &Target) -> String {
    match target {
        Target::Vectors => "vector search".to_owned(),
        Target::Queue(queue) => format!("queue of capacity {:.1}/s", queue.capacity_per_s()),
    }
}
