//! A baseline: what comparisons need of several runs, in one small file that can be kept beside the code.
//!
//! Two lines of JSON. The first describes it and holds the hash of the second, which holds the runs.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::digest::{Digest, Group};
use super::histogram::Histogram;
use crate::page::write;
use crate::{Error, Result};

/// The most a baseline takes.
pub const BYTES_MAX: usize = 1_000_000;
/// The kind of file, in its first line.
const KIND: &str = "rehearsal baseline";
/// Version of the file; it rises when a reader of the old one would be misled.
const VERSION: u32 = 1;
/// What the rare collections and operations become that would make it too large.
const OTHER: &str = "other";
/// Characters of a name, which is part of a file's.
const NAME_CHARS_MAX: usize = 64;

/// The first line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// What kind of file it is.
    pub kind: String,
    /// Version of the file.
    pub version: u32,
    /// Its name.
    pub name: String,
    /// When it was saved, ns since the Unix epoch.
    pub saved_unix_ns: i64,
    /// How many runs it holds.
    pub runs: usize,
    /// The label of the first.
    pub label: String,
    /// The hash of the trace that they replayed.
    pub trace_hash: String,
    /// The median over the runs of their p50, ns.
    pub p50_ns: Option<i64>,
    /// And of their p99.
    pub p99_ns: Option<i64>,
    /// Collections and operations that were too many, and are kept as one.
    pub merged: usize,
    /// XXH3 (128 bits, hex) of the second line.
    pub hash: String,
}

/// A baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// What it is.
    pub head: Head,
    /// Its runs.
    pub runs: Vec<Digest>,
}

impl Baseline {
    /// Bundles runs, with as many of the most frequent collections and operations as [`BYTES_MAX`] leave room for; the rest becomes one.
    ///
    /// # Errors
    /// [`Error::Refused`] when there are more runs than fit, or the name is none.
    pub fn new(name: &str, runs: Vec<Digest>, saved_unix_ns: i64) -> Result<Self> {
        check_name(name)?;
        let groups = runs.iter().map(|run| run.groups.len()).max().unwrap_or(0);
        let Some((kept, kept_runs)) = within(&runs, groups, BYTES_MAX) else {
            return Err(Error::Refused(format!("{} runs take more than {BYTES_MAX} bytes; save fewer of them", runs.len())));
        };
        let median = |level: f64| {
            let mut values: Vec<i64> = runs.iter().filter_map(|run| run.all.at(level)).collect();
            values.sort_unstable();
            values.get(values.len() / 2).copied()
        };
        let first = runs.first().cloned().unwrap_or_default();
        let head = Head {
            kind: KIND.to_owned(),
            version: VERSION,
            name: name.to_owned(),
            saved_unix_ns,
            runs: runs.len(),
            label: first.label,
            trace_hash: first.trace_hash,
            p50_ns: median(0.5),
            p99_ns: median(0.99),
            merged: groups.saturating_sub(kept),
            hash: String::new(),
        };
        Ok(Self { head, runs: kept_runs })
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let runs = body(&self.runs);
        let head = Head { hash: hash(&runs), ..self.head.clone() };
        let head = serde_json::to_string(&head).expect("a head is plain data");
        write(path, &format!("{head}\n{runs}\n"))
    }

    /// Reads it back.
    ///
    /// # Errors
    /// [`Error::Trace`] when it is not there, no baseline, of another version, or not as it was written.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| unreadable(path, e))?;
        let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let head = read_head(path, first)?;
        let rest = rest.trim_end_matches('\n');
        if hash(rest) != head.hash {
            return Err(content(path, "the baseline is not as it was written: its hash does not match; save it anew".to_owned()));
        }
        let runs = serde_json::from_str(rest).map_err(|e| content(path, format!("not a baseline's runs: {e}")))?;
        Ok(Self { head, runs })
    }
}

/// Reads what the baseline at `path` is, and no more.
///
/// # Errors
/// [`Error::Trace`] when it is no baseline, or of another version.
pub fn head(path: &Path) -> Result<Head> {
    use std::io::{BufRead, BufReader};
    let file = std::fs::File::open(path).map_err(|e| unreadable(path, e))?;
    let mut first = String::new();
    BufReader::new(file).read_line(&mut first).map_err(|e| unreadable(path, e))?;
    read_head(path, &first)
}

fn read_head(path: &Path, line: &str) -> Result<Head> {
    let wanted = format!("a rehearsal baseline of version {VERSION}");
    let kind = |found: String| Error::from(trace::Error::Kind { path: path.to_owned(), found, wanted: wanted.clone() });
    let value: serde_json::Value = serde_json::from_str(line).map_err(|_| kind("a file that is no baseline".to_owned()))?;
    match (value["kind"].as_str(), value["version"].as_u64()) {
        (Some(KIND), Some(version)) if version == u64::from(VERSION) => {}
        (Some(KIND), version) => return Err(kind(format!("a baseline of version {}", version.unwrap_or_default()))),
        _ => return Err(kind("a file that is no baseline".to_owned())),
    }
    serde_json::from_value(value).map_err(|e| content(path, format!("not a baseline's description: {e}")))
}

fn unreadable(path: &Path, source: std::io::Error) -> Error {
    if source.kind() == std::io::ErrorKind::InvalidData {
        return content(path, "neither a run's folder nor a baseline, but a file that is no text".to_owned());
    }
    Error::io("read", path, source)
}

fn content(path: &Path, reason: String) -> Error {
    trace::Error::Content { path: path.to_owned(), reason }.into()
}

fn body(runs: &[Digest]) -> String {
    serde_json::to_string(runs).expect("digests are plain data")
}

fn hash(body: &str) -> String {
    format!("{:032x}", xxh3_128(body.as_bytes()))
}

/// Bytes of the runs, and of a line that describes them.
fn size(runs: &[Digest]) -> usize {
    const HEAD_BYTES: usize = 1000;
    body(runs).len() + HEAD_BYTES
}

/// The runs with as many of their `groups` most frequent groups as stay within so many bytes, and how many these are. `None` where even
/// without any there is not room enough.
fn within(runs: &[Digest], groups: usize, bytes_max: usize) -> Option<(usize, Vec<Digest>)> {
    let fitting = |kept: usize| Some(with_groups(runs, kept)).filter(|runs| size(runs) <= bytes_max);
    if let Some(all) = fitting(groups) {
        return Some((groups, all));
    }
    let (mut low, mut high) = ((0, fitting(0)?), groups);
    while high - low.0 > 1 {
        let middle = usize::midpoint(low.0, high);
        match fitting(middle) {
            Some(runs) => low = (middle, runs),
            None => high = middle,
        }
    }
    Some(low)
}

/// The runs with their most frequent groups, and the rest as one.
fn with_groups(runs: &[Digest], kept: usize) -> Vec<Digest> {
    let cut = |run: &Digest| {
        let mut run = run.clone();
        let rest = run.groups.split_off(kept.min(run.groups.len()));
        run.groups.extend(merged(&rest));
        run
    };
    runs.iter().map(cut).collect()
}

fn merged(rest: &[Group]) -> Option<Group> {
    let mut histogram = Histogram::default();
    rest.iter().for_each(|group| histogram.add(&group.histogram));
    let sample = rest.iter().map(|group| &group.sample).cloned().reduce(|sum, next| sum.and(&next))?;
    Some(Group { collection: OTHER.to_owned(), operation: OTHER.to_owned(), sample, histogram })
}

fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let first = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if first && name.len() <= NAME_CHARS_MAX && name.chars().all(plain) {
        return Ok(());
    }
    Err(Error::Refused(format!(
        "`{name}` is no name of a baseline: it is letters, digits, `.`, `_` and `-`, since it names files"
    )))
}

/// The folder in which baselines are kept: `NAME.json` is the one that counts, `NAME/001.json`, `NAME/002.json` … are all that were saved.
#[derive(Debug, Clone)]
pub struct Shelf {
    folder: PathBuf,
}

/// A baseline on the shelf.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Kept {
    /// Its number under its name.
    pub number: u32,
    /// Whether it is the one that counts.
    pub current: bool,
    /// Its file.
    pub path: PathBuf,
    /// Bytes of the file.
    pub bytes: u64,
    /// What it is.
    pub head: Head,
}

impl Shelf {
    /// The shelf in `folder`, which need not exist.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The file of the baseline that counts under that name.
    #[must_use]
    pub fn current(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }

    /// Keeps a baseline under the next number; the first one of its name is the one that counts. Returns its number and file.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written.
    pub fn save(&self, baseline: &Baseline) -> Result<(u32, PathBuf)> {
        let name = &baseline.head.name;
        let number = self.numbers(name)?.last().copied().unwrap_or(0) + 1;
        let path = self.numbered(name, number);
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder).map_err(|e| Error::io("create", &folder, e))?;
        baseline.write(&path)?;
        if !self.current(name).exists() {
            self.promote(name, Some(number))?;
        }
        Ok((number, path))
    }

    /// Makes the one of that number the one that counts, or the newest. Returns its number.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is none of that name or number, [`Error::Trace`] when it is damaged.
    pub fn promote(&self, name: &str, number: Option<u32>) -> Result<u32> {
        let known = self.numbers(name)?;
        let number = match (number, known.last()) {
            (_, None) => return Err(self.unknown(name)?),
            (Some(number), _) if known.contains(&number) => number,
            (None, Some(newest)) => *newest,
            (Some(number), Some(newest)) => {
                return Err(Error::Refused(format!("`{name}` has no number {number}; the newest is {newest}")));
            }
        };
        Baseline::read(&self.numbered(name, number))?.write(&self.current(name))?;
        Ok(number)
    }

    /// All baselines, by name and number.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be read, [`Error::Trace`] when a file in it is no baseline.
    pub fn list(&self) -> Result<Vec<Kept>> {
        let mut list = Vec::new();
        for name in self.names()? {
            let current = head(&self.current(&name)).ok();
            for number in self.numbers(&name)? {
                let path = self.numbered(&name, number);
                let head = head(&path)?;
                let bytes = std::fs::metadata(&path).map_err(|e| Error::io("read", &path, e))?.len();
                list.push(Kept { number, current: current.as_ref() == Some(&head), path, bytes, head });
            }
        }
        Ok(list)
    }

    fn unknown(&self, name: &str) -> Result<Error> {
        let names = self.names()?;
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let hint = match (trace::rules::nearest(name, &known), known.is_empty()) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, true) => "there is none yet; `rehearsal baseline save RUN… --name NAME` makes one".to_owned(),
            (None, false) => format!("known are {}", known.join(", ")),
        };
        Ok(Error::Refused(format!("no baseline is called `{name}` in {}: {hint}", self.folder.display())))
    }

    fn numbered(&self, name: &str, number: u32) -> PathBuf {
        self.folder.join(name).join(format!("{number:03}.json"))
    }

    fn names(&self) -> Result<Vec<String>> {
        let mut names: Vec<String> =
            entries(&self.folder)?.into_iter().filter(|path| path.is_dir()).filter_map(|path| stem(&path)).collect();
        names.sort();
        Ok(names)
    }

    fn numbers(&self, name: &str) -> Result<Vec<u32>> {
        let files = entries(&self.folder.join(name))?;
        let number = |path: PathBuf| stem(&path).filter(|_| path.extension().is_some_and(|end| end == "json"))?.parse().ok();
        let mut numbers: Vec<u32> = files.into_iter().filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }
}

/// The file of a baseline that is named by its path, or the one that counts under a name.
#[must_use]
pub fn resolve(word: &Path, shelf: &Shelf) -> PathBuf {
    let named = word.to_str().filter(|name| check_name(name).is_ok()).map(|name| shelf.current(name));
    named.filter(|path| !word.exists() && path.exists()).unwrap_or_else(|| word.to_owned())
}

fn stem(path: &Path) -> Option<String> {
    Some(path.file_stem()?.to_str()?.to_owned())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => Ok(entries.flatten().map(|entry| entry.path()).collect()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(Error::io("read", folder, e)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{LEVELS, Sample};
    use super::*;
    use stats::Rng;

    /// A run of so many groups, each with 2000 different response times.
    fn run(groups: usize, seed: u64) -> Digest {
        let mut rng = Rng::stream(seed, "baseline");
        let group = |number: usize, rng: &mut Rng| {
            let mut values: Vec<i64> = (0..2000).map(|_| (rng.exponential() * 5e6) as i64).collect();
            values.sort_unstable();
            let sample = Sample { requests: 2000, ok: 2000, answered: 2000, sum_ns: values.iter().sum(), ..Sample::default() };
            Group {
                collection: format!("c{number}"),
                operation: "o".to_owned(),
                sample,
                histogram: Histogram::of_sorted(&values),
            }
        };
        let values_ns = LEVELS.iter().map(|level| Some((level * 1e6) as i64)).collect();
        let all = Sample { answered: 2000 * groups as u64, levels: LEVELS.to_vec(), values_ns, ..Sample::default() };
        Digest {
            all,
            groups: (0..groups).map(|number| group(number, &mut rng)).collect(),
            label: "old".to_owned(),
            ..Digest::default()
        }
    }

    #[test]
    fn what_is_written_is_read_back_and_damage_is_seen() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("b.json");
        let baseline = Baseline::new("main", vec![run(3, 1), run(3, 2)], 5).expect("a baseline");
        baseline.write(&path).expect("room");
        let back = Baseline::read(&path).expect("whole");
        assert_eq!(back.runs, baseline.runs);
        assert_eq!((back.head.p50_ns, back.head.merged, back.head.runs), (Some(500_000), 0, 2));
        let text = std::fs::read_to_string(&path).expect("text");
        std::fs::write(&path, text.replacen("\"answered\":6000", "\"answered\":6001", 1)).expect("room");
        assert!(Baseline::read(&path).unwrap_err().to_string().contains("its hash does not match"));
        std::fs::write(&path, text.replacen("\"version\":1", "\"version\":9", 1)).expect("room");
        assert!(Baseline::read(&path).unwrap_err().to_string().contains("a baseline of version 9"));
        std::fs::write(&path, "{}").expect("room");
        assert!(Baseline::read(&path).unwrap_err().to_string().contains("no baseline"));
    }

    #[test]
    fn rare_groups_become_one_where_there_is_no_room_for_all() {
        const ROOM: usize = 100_000;
        let runs = vec![run(40, 1), run(40, 2)];
        assert!(size(&runs) > ROOM);
        let (kept, cut) = within(&runs, 40, ROOM).expect("there is room for some");
        assert!(
            kept > 3 && size(&cut) <= ROOM && size(&with_groups(&runs, kept + 1)) > ROOM,
            "as many as there is room for, not {kept}"
        );
        assert_eq!((cut[0].groups.len(), cut[0].groups[kept].collection.as_str()), (kept + 1, OTHER));
        assert_eq!(cut[0].histogram(), runs[0].histogram());
        let sum = |run: &Digest| run.groups.iter().map(|group| group.sample.sum_ns).sum::<i64>();
        assert_eq!(sum(&cut[0]), sum(&runs[0]));
        assert_eq!(within(&runs, 40, 2000), None);
        assert!(Baseline::new("../up", Vec::new(), 5).is_err());
    }

    #[test]
    fn the_first_counts_until_another_is_promoted() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let shelf = Shelf::new(dir.path());
        assert!(shelf.promote("main", None).unwrap_err().to_string().contains("there is none yet"));
        for seed in 1..4 {
            let (number, _) = shelf.save(&Baseline::new("main", vec![run(1, seed)], seed as i64).unwrap()).expect("room");
            assert_eq!(u64::from(number), seed);
        }
        let current = || shelf.list().unwrap().iter().filter(|kept| kept.current).map(|kept| kept.number).collect::<Vec<_>>();
        assert_eq!(current(), [1]);
        assert_eq!(shelf.promote("main", None).expect("the newest"), 3);
        assert_eq!(current(), [3]);
        assert_eq!(shelf.promote("main", Some(2)).expect("it is there"), 2);
        assert_eq!((current(), shelf.list().unwrap().len()), (vec![2], 3));
        assert!(shelf.promote("main", Some(9)).unwrap_err().to_string().contains("the newest is 3"));
        assert!(shelf.promote("mains", None).unwrap_err().to_string().contains("`main`"));
        assert_eq!(resolve(Path::new("main"), &shelf), dir.path().join("main.json"));
        assert_eq!(resolve(Path::new("x/main"), &shelf), Path::new("x/main"));
    }
}
