//! Changes that are known and accepted, each until a day.

use std::path::Path;

use serde::Serialize;
use stats::compare::{Outcome, Worse};
use trace::rules::nearest;

use super::figure::Figure;
use super::verdict::Row;
use crate::yaml::{Content, Node, document};
use crate::{Error, Result, units};

/// Known changes, as a file lists them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Accepted {
    /// The changes.
    pub accepted: Vec<Known>,
}

/// One known change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Known {
    /// The figure, with its scope: `p99`, `p95{collection=mixtral}`.
    pub figure: String,
    /// How much worse it may be: `20%`; of shares the difference.
    pub up_to: String,
    /// The last day on which it is accepted, `2026-12-31`.
    pub until: String,
    /// Why.
    pub reason: String,
}

/// What became of a known change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Use {
    /// The change.
    #[serde(flatten)]
    pub known: Known,
    /// Whether it was accepted, and if not, why.
    pub became: Became,
}

/// What can become of a known change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Became {
    /// The figure is worse, and that is accepted.
    Accepted,
    /// The figure is worse by more than is accepted.
    Exceeded,
    /// Its last day is over.
    Expired,
    /// The figure is not worse, or not among those that decide.
    Unused,
}

impl Accepted {
    /// Reads the YAML file at `path`.
    ///
    /// # Errors
    /// [`Error::Io`] when it is not there, [`Error::Asked`] with the place of what cannot be.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        let wrong = |reason: String| Error::Asked { option: "--accept", reason: format!("{}, {reason}", path.display()) };
        Self::parse(&text).map_err(wrong)
    }

    fn parse(text: &str) -> std::result::Result<Self, String> {
        let mut accepted = Vec::new();
        for (key, value) in document(text)?.map("a list `accepted:` of known changes")? {
            match (key.text("a key")?, &value.content) {
                ("accepted", Content::List(list)) => {
                    accepted.extend(list.iter().map(known).collect::<std::result::Result<Vec<_>, _>>()?)
                }
                ("accepted", _) => {
                    return Err(value.wrong("wanted a list of known changes, each with figure, up_to, until and reason"));
                }
                (name, _) => return Err(key.wrong(format!("unknown key `{name}`; there is `accepted`"))),
            }
        }
        Ok(Self { accepted })
    }

    /// Marks the rows that are worse within what is accepted today.
    pub fn apply(&self, rows: &mut [Row], now_unix_ns: i64) -> Vec<Use> {
        let today = &units::utc(now_unix_ns)[..10];
        let apply = |known: &Known| Use { became: became(known, rows, today), known: known.clone() };
        self.accepted.iter().map(apply).collect()
    }
}

/// Members of a known change, in the order of [`Known`].
const MEMBERS: [&str; 4] = ["figure", "up_to", "until", "reason"];

/// One known change, with figure, share and day checked.
fn known(node: &Node) -> std::result::Result<Known, String> {
    let mut found: [Option<&Node>; 4] = [None; 4];
    for (key, value) in node.map("a known change with figure, up_to, until and reason")? {
        let name = key.text("a key")?;
        let place = MEMBERS.iter().position(|member| *member == name).ok_or_else(|| {
            let meant = nearest(name, &MEMBERS).map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
            key.wrong(format!("unknown key `{name}`{meant}; there are {}", MEMBERS.join(", ")))
        })?;
        found[place] = Some(value);
    }
    let member = |place: usize| found[place].ok_or_else(|| node.wrong(format!("`{}` is missing", MEMBERS[place])));
    let text = |place: usize| member(place).and_then(|value| value.text("a text").map(str::to_owned));
    let one = Known { figure: text(0)?, up_to: text(1)?, until: text(2)?, reason: text(3)? };
    Figure::named(&one.figure).map_err(|e| node.wrong(e))?;
    share(&one.up_to).ok_or_else(|| node.wrong(format!("up_to `{}` is no share; write 20%", one.up_to)))?;
    if is_day(&one.until) { Ok(one) } else { Err(node.wrong(format!("until `{}` is no day; write 2026-12-31", one.until))) }
}

fn became(known: &Known, rows: &mut [Row], today: &str) -> Became {
    let same = |row: &Row| {
        row.figure == known.figure
            || Figure::named(&row.figure).ok().map(|f| (f.measure, f.of))
                == Figure::named(&known.figure).ok().map(|f| (f.measure, f.of))
    };
    let Some(row) = rows.iter_mut().find(|row| same(row) && row.verdict >= Outcome::Minor) else { return Became::Unused };
    if today > known.until.as_str() {
        return Became::Expired;
    }
    let worse = row.change.map_or(f64::INFINITY, |change| if row.worse == Worse::Higher { change.value } else { -change.value });
    if worse > share(&known.up_to).unwrap_or(0.0) {
        return Became::Exceeded;
    }
    row.accepted = Some(known.reason.clone());
    Became::Accepted
}

fn share(text: &str) -> Option<f64> {
    let (number, whole) = text.trim().strip_suffix('%').map_or((text.trim(), 1.0), |number| (number.trim(), 100.0));
    number.parse::<f64>().ok().map(|number| number / whole).filter(|share| *share >= 0.0 && share.is_finite())
}

/// Whether it is a day as `2026-12-31`, which sorts as text.
fn is_day(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let number = |part: &str, digits: usize| {
        part.parse::<u32>().ok().filter(|_| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))
    };
    let [year, month, day] = parts[..] else { return false };
    number(year, 4).is_some()
        && number(month, 2).is_some_and(|m| (1..=12).contains(&m))
        && number(day, 2).is_some_and(|d| (1..=31).contains(&d))
}

#[cfg(test)]
mod tests {
    use super::super::verdict::Change;
    use super::*;
    use trace::Unit;

    /// 2026-11-21 12:00:00 UTC, from `date -u -d`.
    const NOW_NS: i64 = 1_795_262_400_000_000_000;

    fn row(figure: &str, worse: Worse, change: f64, verdict: Outcome) -> Row {
        Row {
            figure: figure.to_owned(),
            unit: Unit::Ns,
            worse,
            relevant: 0.1,
            before: None,
            after: None,
            change: Some(Change { value: change, low: change, high: change }),
            p: 0.0,
            p_adjusted: 0.0,
            delta: 1.0,
            detectable: None,
            improved: false,
            verdict,
            needed: None,
            accepted: None,
        }
    }

    fn known(figure: &str, up_to: &str, until: &str) -> Accepted {
        let [figure, up_to, until, reason] = [figure, up_to, until, "a new index"].map(str::to_owned);
        Accepted { accepted: vec![Known { figure, up_to, until, reason }] }
    }

    fn became(accepted: &Accepted, row: Row) -> (Became, bool) {
        let mut rows = [row];
        let uses = accepted.apply(&mut rows, NOW_NS);
        (uses[0].became, rows[0].accepted.is_some())
    }

    #[test]
    fn a_known_change_is_accepted_up_to_its_limit_and_its_day() {
        let worse = || row("p99", Worse::Higher, 0.15, Outcome::Major);
        assert_eq!(became(&known("p99", "20%", "2026-11-21"), worse()), (Became::Accepted, true), "the last day counts");
        assert_eq!(became(&known("p99", "20%", "2026-11-20"), worse()), (Became::Expired, false));
        assert_eq!(became(&known("p99", "0.1", "2026-12-31"), worse()), (Became::Exceeded, false));
        assert_eq!(became(&known("p50", "20%", "2026-12-31"), worse()), (Became::Unused, false));
        let slower = row("throughput", Worse::Lower, -0.15, Outcome::Minor);
        assert_eq!(became(&known("throughput", "20%", "2026-12-31"), slower), (Became::Accepted, true));
        let fine = row("p99", Worse::Higher, 0.01, Outcome::None);
        assert_eq!(became(&known("p99", "20%", "2026-12-31"), fine), (Became::Unused, false));
        let scoped = row("p95{collection=a}", Worse::Higher, 0.15, Outcome::Minor);
        assert_eq!(became(&known("p95{ collection = a }", "20%", "2026-12-31"), scoped), (Became::Accepted, true));
    }

    #[test]
    fn a_file_is_read_and_what_cannot_be_is_pointed_at() {
        let file = |figure: &str, up_to: &str, until: &str| {
            format!(
                "# since the new index\naccepted:\n  - figure: {figure}\n    up_to: {up_to}\n    until: {until}\n    reason: a new index\n"
            )
        };
        let good = Accepted::parse(&file("p95{collection=a}", "20%", "2026-12-31")).expect("a list");
        assert_eq!(good, known("p95{collection=a}", "20%", "2026-12-31"));
        assert_eq!(Accepted::parse(""), Ok(Accepted::default()));
        for (text, word) in [
            (file("p9x", "20%", "2026-12-31"), "line 3, column 5: `p9x` is no figure"),
            (file("p99", "much", "2026-12-31"), "is no share"),
            (file("p99", "20%", "31.12.2026"), "is no day"),
            (file("p99", "20%", "2026-13-01"), "is no day"),
            (
                file("p99", "20%", "2026-12-31").replace("reason", "reasn"),
                "line 6, column 5: unknown key `reasn` (did you mean `reason`?)",
            ),
            (file("p99", "20%", "2026-12-31").replace("    until: 2026-12-31\n", ""), "`until` is missing"),
            ("accept: []".to_owned(), "there is `accepted`"),
            ("accepted: p99".to_owned(), "wanted a list"),
        ] {
            let said = Accepted::parse(&text).expect_err(word);
            assert!(said.contains(word), "{said}");
        }
    }
}
