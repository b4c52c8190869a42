//! The words that ask what a target can bear.

use std::path::PathBuf;

use analysis::capacity::{Growth, Mix, Nodes, Peaks, Price, Question, Rate};
use clap::Args;

use crate::failure::Failure;

/// How much, with how many nodes, until when, at what price.
#[derive(Args)]
#[command(next_help_heading = "Capacity")]
pub struct CapacityWords {
    /// The recorded traffic, whose peaks the target has to bear: headroom, and the demand where none is given
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Requests wanted: how many nodes bear them?
    #[arg(long, value_name = "RATE")]
    demand: Option<Rate>,
    /// Nodes that may fail while the demand is still borne
    #[arg(long, value_name = "NODES", default_value_t = 0)]
    reserve: u32,
    /// How many nodes were measured, or what several numbers of them bore: 1=812,2=1580,4=2900
    #[arg(long, value_name = "NODES|NODES=RATE,…", default_value = "1")]
    nodes: Nodes,
    /// Growth of the demand: on which day is it too much?
    #[arg(long, value_name = "8%/month|50%/year")]
    growth: Option<Growth>,
    /// Other shares of the collections: what would be borne of that mix?
    #[arg(long, value_name = "COLLECTION=SHARE,…")]
    mix: Option<Mix>,
    /// What a node costs, such as `0.40 EUR/h`: what do a million requests cost?
    #[arg(long, value_name = "PRICE/h|day|month")]
    price: Option<Price>,
}

impl CapacityWords {
    /// What is asked.
    ///
    /// # Errors
    /// One sentence for a trace that cannot be read.
    pub fn question(self) -> Result<Question, Failure> {
        Ok(Question {
            peaks: self.trace.as_deref().map(Peaks::load).transpose()?,
            demand: self.demand,
            reserve: self.reserve,
            nodes: self.nodes,
            growth: self.growth,
            mix: self.mix,
            price: self.price,
        })
    }
}
