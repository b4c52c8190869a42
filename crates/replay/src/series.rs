//! Several runs of one replay, against one target or in turn against several: their order, folders and seeds.

use trace::{Series, SeriesRun, schema};

use crate::limits::SERIES_RUNS_MAX;
use crate::{Error, Result};

/// Characters of a label, which is part of a folder's name.
const LABEL_CHARS_MAX: usize = 64;

/// One of the targets that are held against each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// In tables, and in front of its runs' folders.
    pub label: String,
    /// The URL, as it is told.
    pub target: String,
}

/// `repeat` runs of each side. Interleaved, every second round goes backwards (ABBA ABBA …), so that neither a drift of the machine
/// nor coming first favours a side.
///
/// # Errors
/// [`Error::Option`] for labels that are no folder's name or not unique, and for too many runs.
pub fn plan(sides: &[Side], repeat: u32, interleaved: bool, seed: u64) -> Result<Series> {
    check(sides, repeat, interleaved)?;
    let width = repeat.to_string().len().max(2);
    let folder = |side: &Side, pair: u32| format!("{}-{:0width$}", side.label, pair);
    let run = |(side, pair): (usize, u32)| SeriesRun {
        folder: folder(&sides[side], pair),
        label: sides[side].label.clone(),
        pair,
        seed: seed.wrapping_add(u64::from(pair - 1)),
        status: None,
        invalid: false,
    };
    Ok(Series {
        version: schema::VERSION,
        trace: String::new(),
        trace_hash: String::new(),
        interleaved,
        targets: sides.iter().map(|side| (side.label.clone(), side.target.clone())).collect(),
        pairs: (1..=repeat).map(|pair| sides.iter().map(|side| folder(side, pair)).collect()).collect(),
        runs: order(sides.len(), repeat, interleaved).into_iter().map(run).collect(),
    })
}

/// Number of the side and of the pair, for each run.
fn order(sides: usize, repeat: u32, interleaved: bool) -> Vec<(usize, u32)> {
    if !interleaved {
        return (0..sides).flat_map(|side| (1..=repeat).map(move |pair| (side, pair))).collect();
    }
    let turn = |pair: u32| (0..sides).map(move |place| if pair % 2 == 1 { place } else { sides - 1 - place });
    (1..=repeat).flat_map(|pair| turn(pair).map(move |side| (side, pair))).collect()
}

fn check(sides: &[Side], repeat: u32, interleaved: bool) -> Result<()> {
    let named = |label: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        label.len() <= LABEL_CHARS_MAX && label.starts_with(|c: char| c.is_ascii_alphanumeric()) && label.chars().all(plain)
    };
    if let Some(side) = sides.iter().find(|side| !named(&side.label)) {
        let wanted = "a label is letters, digits, `.`, `_` and `-`, since it names folders";
        return Err(Error::option("--against", format!("`{}` is no label: {wanted}", side.label)));
    }
    let twice = |(place, side): (usize, &Side)| sides[..place].iter().any(|other| other.label.eq_ignore_ascii_case(&side.label));
    if let Some((_, side)) = sides.iter().enumerate().find(|(place, side)| twice((*place, *side))) {
        return Err(Error::option("--against", format!("`{}` labels two targets", side.label)));
    }
    if interleaved && sides.len() < 2 {
        return Err(Error::option("--interleave", "there is one target only; name two with --against A=URL,B=URL"));
    }
    let runs = u64::from(repeat) * sides.len() as u64;
    if runs == 0 || runs > SERIES_RUNS_MAX {
        return Err(Error::option("--repeat", format!("that makes {runs} runs; 1 to {SERIES_RUNS_MAX} can be made")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides(labels: &[&str]) -> Vec<Side> {
        labels.iter().map(|label| Side { label: (*label).to_owned(), target: format!("http://{label}") }).collect()
    }

    fn folders(labels: &[&str], repeat: u32, interleaved: bool) -> String {
        let series = plan(&sides(labels), repeat, interleaved, 7).expect("a series");
        series.runs.into_iter().map(|run| run.folder).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn sides_take_turns_abba_or_come_one_after_the_other() {
        assert_eq!(folders(&["A", "B"], 4, true), "A-01 B-01 B-02 A-02 A-03 B-03 B-04 A-04");
        assert_eq!(folders(&["A", "B"], 3, false), "A-01 A-02 A-03 B-01 B-02 B-03");
        assert_eq!(folders(&["A", "B", "C"], 2, true), "A-01 B-01 C-01 C-02 B-02 A-02");
        assert_eq!(folders(&["run"], 2, false), "run-01 run-02");
        assert!(folders(&["run"], 100, false).starts_with("run-001 "));
    }

    #[test]
    fn a_pair_has_one_seed_and_another_pair_another() {
        let series = plan(&sides(&["A", "B"]), 3, true, 7).unwrap();
        assert_eq!(series.pairs, [["A-01", "B-01"], ["A-02", "B-02"], ["A-03", "B-03"]]);
        assert!(series.runs.iter().all(|run| run.seed == 6 + u64::from(run.pair)));
    }

    #[test]
    fn what_makes_no_series_is_told() {
        for (labels, repeat, interleaved, word) in [
            (&["A", "../B"][..], 1, false, "`../B` is no label"),
            (&[".hidden"], 1, false, "no label"),
            (&["A", "a"], 1, false, "`a` labels two targets"),
            (&["A"], 2, true, "--interleave"),
            (&["A", "B"], 0, false, "--repeat"),
            (&["A", "B"], 501, false, "1002 runs"),
        ] {
            let said = plan(&sides(labels), repeat, interleaved, 1).unwrap_err().to_string();
            assert!(said.contains(word), "{said}");
        }
    }
}
