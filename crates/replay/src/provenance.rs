//! Traces made from traces: what they came from, and what was done to them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use trace::{Source, trace_files};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::{Error, Result};

/// The files of a trace, each with the hash of its bytes.
///
/// # Errors
/// [`Error::Io`] or [`Error::Data`] when one cannot be read.
pub fn files_of(trace: &Path) -> Result<Vec<Source>> {
    trace_files(trace)?.iter().map(|file| source(file)).collect()
}

fn source(file: &Path) -> Result<Source> {
    let mut hash = Xxh3::new();
    let bytes = hash_file(file, &mut hash)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Source { name, bytes, hash: format!("{:032x}", hash.digest128()) })
}

/// Adds the bytes of a file to a hash, and says how many there were.
///
/// # Errors
/// [`Error::Io`] when it cannot be read.
pub fn hash_file(file: &Path, hash: &mut Xxh3) -> Result<u64> {
    let failed = |error| Error::io("read", file, error);
    let mut input = File::open(file).map_err(failed)?;
    let (mut bytes, mut buffer) = (0, vec![0; 1 << 20]);
    loop {
        match input.read(&mut buffer).map_err(failed)? {
            0 => return Ok(bytes),
            read => {
                hash.update(&buffer[..read]);
                bytes += read as u64;
            }
        }
    }
}

/// The seed of what is drawn for these files: two steps with one seed on different traces draw independently of each other, so
/// that halving a trace twice leaves a quarter.
#[must_use]
pub fn seed_for(seed: u64, files: &[Source]) -> u64 {
    let hashes: Vec<&str> = files.iter().map(|file| file.hash.as_str()).collect();
    seed ^ xxh3_64(hashes.join(" ").as_bytes())
}

/// Refuses to write over what is being read.
///
/// # Errors
/// [`Error::Option`] when `output` is one of the inputs' files.
pub fn refuse_overwriting(output: &Path, inputs: &[PathBuf]) -> Result<()> {
    let Ok(output_is) = output.canonicalize() else { return Ok(()) };
    for input in inputs {
        let files = trace_files(input)?;
        if files.iter().any(|file| file.canonicalize().is_ok_and(|file| file == output_is)) {
            let reason = format!("{} is also the input; give another name", output.display());
            return Err(Error::option("--output", reason));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_trace_draws_other_numbers() {
        let file = |hash: &str| Source { hash: hash.to_owned(), ..Source::default() };
        assert_eq!(seed_for(1, &[file("a")]), seed_for(1, &[file("a")]));
        assert_ne!(seed_for(1, &[file("a")]), seed_for(1, &[file("b")]));
        assert_ne!(seed_for(1, &[file("a")]), seed_for(2, &[file("a")]));
    }
}
