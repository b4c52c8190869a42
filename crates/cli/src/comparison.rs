//! Words about what answers are held against.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use replay::answer::{Comparison, Level};
use trace::rules::{Pointer, Rules, nearest};

use crate::failure::Failure;

/// How answers are judged.
#[derive(Args)]
pub struct ComparisonWords {
    /// Compare answers with the recorded ones: status, shape (members and kinds of values) or body
    #[arg(long, value_name = "LEVEL", num_args = 0..=1, default_missing_value = "body", value_parser = level)]
    compare: Option<Level>,
    /// A place in JSON answers that is not compared, * for every element or member (may be repeated)
    #[arg(long, value_name = "/JSON/POINTER", requires = "compare", value_parser = pointer)]
    ignore: Vec<Pointer>,
    /// Take numbers of JSON answers for equal within this, relatively above 1
    #[arg(long, value_name = "X", requires = "compare", allow_hyphen_values = true)]
    tolerance: Option<f64>,
    /// Recall of the first so many ids of each answer instead of all of them
    #[arg(long, value_name = "K", requires = "compare")]
    recall: Option<usize>,
    /// Rules that say which answers are failures and where their ids are, in a JSON file; asked before the built-in ones
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
}

impl ComparisonWords {
    /// The rules, and what is to be compared.
    ///
    /// # Errors
    /// When the file of rules is none.
    pub fn taken(self) -> Result<(Arc<Rules>, Option<Comparison>), Failure> {
        let rules = self.rules.as_deref().map_or_else(|| Ok(Rules::builtin()), |path| Rules::load(path).map(Arc::new))?;
        let (ignored, tolerance, recall_at) = (self.ignore, self.tolerance, self.recall);
        Ok((rules, self.compare.map(|level| Comparison { level, ignored, tolerance, recall_at })))
    }
}

fn level(text: &str) -> Result<Level, String> {
    let names: Vec<&str> = Level::ALL.iter().map(|(name, _)| *name).collect();
    let found = Level::ALL.iter().find(|(name, _)| *name == text).map(|(_, level)| *level);
    found.ok_or_else(|| match nearest(text, &names) {
        Some(near) => format!("unknown level, did you mean `{near}`?"),
        None => format!("unknown level, known are {}", names.join(", ")),
    })
}

fn pointer(text: &str) -> Result<Pointer, String> {
    Pointer::parse(text).ok_or_else(|| "a JSON pointer begins with a slash, such as /result/*/score".to_owned())
}
