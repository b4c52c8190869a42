//! The words that choose rows of a trace, shared by the verbs that take them.

use std::time::Duration;

use clap::Args;
use replay::cut::{self, Field, Filter, Selection};
use trace::TraceNs;

use crate::failure::Failure;
use crate::parse;

/// A window of trace time, and filters.
#[derive(Args)]
pub struct SelectionWords {
    /// Leave out what was recorded before
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    from: Option<Duration>,
    /// Leave out what was recorded from here on
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    to: Option<Duration>,
    /// Only these collections (this and the next four: exact, or with * and ?; repeated ones are alternatives)
    #[arg(long, value_name = "NAME")]
    collection: Vec<String>,
    /// Only these operations
    #[arg(long, value_name = "NAME")]
    operation: Vec<String>,
    /// Only these sessions, by number
    #[arg(long, value_name = "NUMBER")]
    session: Vec<String>,
    /// Only these recorded statuses; none for requests without an answer
    #[arg(long, value_name = "STATUS")]
    status: Vec<String>,
    /// Only these effects: read, write, admin, control
    #[arg(long, value_name = "EFFECT")]
    effect: Vec<String>,
}

impl SelectionWords {
    /// What they choose.
    ///
    /// # Errors
    /// When a time is more than nanoseconds can count.
    pub fn selection(self) -> Result<Selection, Failure> {
        let filters: [(Field, Vec<String>); 5] = [
            (cut::COLLECTION, self.collection),
            (cut::OPERATION, self.operation),
            (cut::SESSION, self.session),
            (cut::STATUS, self.status),
            (cut::EFFECT, self.effect),
        ];
        let asked = filters.into_iter().filter(|(_, patterns)| !patterns.is_empty());
        let filters = asked.map(|(field, patterns)| Filter { field, patterns }).collect();
        let instant = |time: Duration| i64::try_from(time.as_nanos()).map(TraceNs);
        Ok(Selection { from: self.from.map(instant).transpose()?, to: self.to.map(instant).transpose()?, filters })
    }
}
