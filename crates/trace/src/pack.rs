//! A run, a search or a series in one file, for keeping.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::{AtomicFile, Error, Result};

/// Parquet is compressed already, and the rest is small.
const LEVEL: i32 = 3;

/// What went into an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Packed {
    /// Files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that somebody was still writing, left out.
    pub unfinished: u64,
}

/// Packs the folder `dir` into a tar archive compressed with Zstandard (RFC 8878), whose one folder has the name of `dir`. The same files
/// give the same bytes: names are sorted, and owners, rights and times of the files are left out. Files still being written are not packed.
///
/// # Errors
/// [`Error::Content`] when `dir` is not a folder with a name, [`Error::Io`] when something cannot be read or written.
pub fn pack(dir: &Path, out: &Path) -> Result<Packed> {
    let refused = |reason: &str| Error::Content { path: dir.to_owned(), reason: reason.to_owned() };
    let name = dir.file_name().ok_or_else(|| refused("not a folder with a name of its own"))?;
    if !dir.is_dir() {
        return Err(refused("there is no such folder"));
    }
    let mut packed = Packed { files: 0, bytes: 0, unfinished: 0 };
    let write_failed = |e| Error::io("write", out, e);
    let mut file = AtomicFile::create(out)?;
    let encoder = zstd::Encoder::new(BufWriter::new(&mut file), LEVEL).map_err(write_failed)?;
    let mut archive = tar::Builder::new(encoder);
    for path in files_below(dir)? {
        if path.extension().is_some_and(|extension| extension == "partial") {
            packed.unfinished += 1;
            continue;
        }
        let inside = Path::new(name).join(path.strip_prefix(dir).expect("found below it"));
        let (read, bytes) = File::open(&path)
            .and_then(|file| Ok((file.metadata()?.len(), file)))
            .map(|(bytes, file)| (file, bytes))
            .map_err(|e| Error::io("read", &path, e))?;
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes);
        header.set_mode(0o644);
        // A file that shrinks while it is read would spoil the archive: `append_data` says so.
        archive.append_data(&mut header, &inside, std::io::Read::take(read, bytes)).map_err(|e| Error::io("pack", &path, e))?;
        (packed.files, packed.bytes) = (packed.files + 1, packed.bytes + bytes);
    }
    let mut rest = archive.into_inner().and_then(zstd::Encoder::finish).map_err(write_failed)?;
    rest.flush().map_err(write_failed)?;
    drop(rest);
    file.commit()?;
    Ok(packed)
}

/// Every file below a folder, by name. Links are not followed.
fn files_below(dir: &Path) -> Result<Vec<PathBuf>> {
    let read_failed = |e| Error::io("read", dir, e);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(read_failed)? {
        let entry = entry.map_err(read_failed)?;
        let kind = entry.file_type().map_err(read_failed)?;
        if kind.is_dir() {
            files.extend(files_below(&entry.path())?);
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again_and_the_same_bytes_twice() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("run");
        std::fs::create_dir_all(run.join("charts")).unwrap();
        let long = format!("charts/{}.svg", "x".repeat(120));
        for (name, text) in
            [("run.json", "{}"), ("outcomes-1.parquet.partial", "half"), (long.as_str(), "<svg/>"), ("a.parquet", "PAR1")]
        {
            std::fs::write(run.join(name), text).unwrap();
        }
        let out = dir.path().join("run.tar.zst");
        assert_eq!(pack(&run, &out).unwrap(), Packed { files: 3, bytes: 12, unfinished: 1 });
        let bytes = std::fs::read(&out).unwrap();
        std::fs::write(run.join("run.json"), "{}").unwrap();
        pack(&run, &out).unwrap();
        assert_eq!(bytes, std::fs::read(&out).unwrap());

        let back = dir.path().join("back");
        let listed = std::process::Command::new("tar")
            .arg("--zstd")
            .arg("-xf")
            .arg(&out)
            .arg("-C")
            .arg({
                std::fs::create_dir(&back).unwrap();
                &back
            })
            .status();
        if listed.is_ok_and(|status| status.success()) {
            assert_eq!(std::fs::read_to_string(back.join("run").join(&long)).unwrap(), "<svg/>");
            assert_eq!(std::fs::read_to_string(back.join("run/a.parquet")).unwrap(), "PAR1");
            assert!(!back.join("run/outcomes-1.parquet.partial").exists());
        }
        assert!(pack(&dir.path().join("none"), &out).unwrap_err().to_string().contains("none"));
        assert_eq!(bytes, std::fs::read(&out).unwrap(), "an archive is not lost to a failure");
    }
}
