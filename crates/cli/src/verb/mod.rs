//! The verbs: one file each, one row each. A verb's function is its data flow: parse → open → run → write → say what happened.

mod baseline;
mod compare;
mod cut;
mod demo;
mod fit;
mod history;
mod import;
mod inspect;
mod pack;
mod replay;
mod report;
mod scale;
mod search;
mod series;
mod serve;
mod setup;
mod synth;
mod trials;

use std::process::ExitCode;

use clap::Subcommand;

use crate::failure::Failure;

/// How a verb ended when it could do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// All is well.
    Fine,
    /// There is a finding: an invalid run, a threshold missed.
    Finding,
}

impl From<Done> for ExitCode {
    fn from(done: Done) -> Self {
        Self::from(match done {
            Done::Fine => 0,
            Done::Finding => 1,
        })
    }
}

macro_rules! verbs {
    ($($(#[$meta:meta])* $variant:ident($module:ident)),+ $(,)?) => {
        /// What to do.
        #[derive(Subcommand)]
        pub enum Verb { $($(#[$meta])* $variant(Box<$module::Words>)),+ }

        /// Runs the verb.
        ///
        /// # Errors
        /// One sentence when it could not do its work.
        pub fn run(verb: Verb) -> Result<Done, Failure> {
            match verb { $(Verb::$variant(words) => $module::run(*words)),+ }
        }
    };
}

verbs! {
    /// Turn packet captures into a trace
    #[command(after_help = import::EXAMPLE)]
    Import(import),
    /// Say what is in a trace or a run
    #[command(after_help = inspect::EXAMPLE)]
    Inspect(inspect),
    /// Cut a part out of a trace, or join several
    #[command(after_help = cut::EXAMPLE)]
    Cut(cut),
    /// Make more or less traffic of the same character out of a trace
    #[command(after_help = scale::EXAMPLE)]
    Scale(scale),
    /// Fit a model to the arrivals of a trace
    #[command(after_help = fit::EXAMPLE)]
    Fit(fit),
    /// Make a trace of vector searches, of a template's sessions, or of a recorded trace's
    #[command(after_help = synth::EXAMPLE)]
    Synth(synth),
    /// Create and fill the collections a trace needs on a target, or remove them
    #[command(after_help = setup::EXAMPLE)]
    Setup(setup),
    /// Play a trace back against a target, on time
    #[command(after_help = replay::example())]
    Replay(replay),
    /// Find the largest rate a target bears within your thresholds
    #[command(after_help = search::example())]
    Search(search),
    /// Compute findings and a report from a run or a search
    #[command(after_help = report::example())]
    Report(report),
    /// Put the folder of a run into one file, for keeping
    #[command(after_help = pack::EXAMPLE)]
    Pack(pack),
    /// Find where the figures of many runs changed
    #[command(after_help = history::EXAMPLE)]
    History(history),
    /// Say whether one version is worse than another, from runs of both
    #[command(after_help = compare::EXAMPLE)]
    Compare(compare),
    /// Keep what comparisons need of runs, in small files
    #[command(after_help = baseline::EXAMPLE)]
    Baseline(baseline),
    /// Run a target that ships with the tool
    #[command(after_help = serve::EXAMPLE)]
    Serve(serve),
    /// Do all of it once, on the testbed, in under a minute
    #[command(after_help = demo::EXAMPLE)]
    Demo(demo),
}
