//! `rehearsal pack`: a run in one file, for keeping.

use std::path::PathBuf;

use clap::Args;

use super::Done;
use crate::failure::Failure;
use crate::output;

pub const EXAMPLE: &str = "Example:
  rehearsal pack reports/first
  tar --zstd -xf first.tar.zst";

/// Words of `pack`.
#[derive(Args)]
pub struct Words {
    /// The folder of a run, a search or a series
    folder: PathBuf,
    /// Where the archive goes [default: NAME.tar.zst, here]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print what was packed as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(words: Words) -> Result<Done, Failure> {
    let folder = words.folder.components().as_path().to_owned();
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.ok_or_else(|| Failure::new(format!("{} has no name to call an archive by", words.folder.display())))?;
    let out = words.output.unwrap_or_else(|| PathBuf::from(format!("{name}.tar.zst")));
    let packed = trace::pack(&folder, &out)?;
    if words.json {
        output::say(&serde_json::to_string_pretty(&packed)?)?;
        return Ok(Done::Fine);
    }
    let unfinished = match packed.unfinished {
        0 => String::new(),
        count => format!("; {} still being written left out", analysis::units::counted(count, "file")),
    };
    let files = analysis::units::counted(packed.files, "file");
    output::say(&format!("{}: {files}, {}{unfinished}", out.display(), analysis::units::bytes(packed.bytes as f64)))?;
    Ok(Done::Fine)
}
