//! JUnit XML, which build servers show as tests: one suite of cases, each of which passed, failed or was left out.
//!
//! The format has no standard; what is written here is the part that the schemas of Jenkins and of Maven's Surefire share.

use std::path::Path;

use crate::threshold::Judged;
use crate::{Error, Result, finding::Verdict, page};

/// How a case turned out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As it should be.
    Passed,
    /// Not so: why, in a sentence.
    Failed(String),
    /// Nothing could be said: why.
    Skipped(String),
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What it belongs to, such as `rehearsal.thresholds`.
    pub class: &'static str,
    /// What is checked.
    pub name: String,
    /// How it turned out.
    pub outcome: Outcome,
    /// Figures and where they come from.
    pub evidence: String,
}

/// Checks of one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    /// What was checked: a run, a comparison.
    pub name: String,
    /// Each check.
    pub cases: Vec<Case>,
}

/// Writes the suites to a file, whole or not at all.
///
/// # Errors
/// [`Error::Io`] when it cannot be written.
pub fn write(path: &Path, suites: &[Suite]) -> Result<()> {
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, e))?;
    }
    page::write(path, &xml(suites))
}

/// The document. The same suites give the same text.
#[must_use]
pub fn xml(suites: &[Suite]) -> String {
    let all: Vec<&Case> = suites.iter().flat_map(|suite| &suite.cases).collect();
    let inside: String = suites.iter().map(suite).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"rehearsal\" {}>\n{inside}</testsuites>\n",
        counts(&all)
    )
}

fn counts(cases: &[&Case]) -> String {
    let count = |of: fn(&Outcome) -> bool| cases.iter().filter(|case| of(&case.outcome)).count();
    let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    let skipped = count(|outcome| matches!(outcome, Outcome::Skipped(_)));
    format!("tests=\"{}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\" time=\"0\"", cases.len())
}

fn suite(suite: &Suite) -> String {
    let cases: String = suite.cases.iter().map(case).collect();
    let counts = counts(&suite.cases.iter().collect::<Vec<_>>());
    format!("  <testsuite name=\"{}\" {counts}>\n{cases}  </testsuite>\n", escape(&suite.name))
}

fn case(case: &Case) -> String {
    let Case { class, name, outcome, evidence } = case;
    let outcome = match outcome {
        Outcome::Passed => String::new(),
        Outcome::Failed(why) => {
            let why = escape(why);
            format!("      <failure message=\"{why}\" type=\"finding\">{why}\n{}</failure>\n", escape(evidence))
        }
        Outcome::Skipped(why) => format!("      <skipped message=\"{}\"/>\n", escape(why)),
    };
    let evidence = format!("      <system-out>{}</system-out>\n", escape(evidence));
    format!("    <testcase classname=\"{class}\" name=\"{}\" time=\"0\">\n{outcome}{evidence}    </testcase>\n", escape(name))
}

/// Text as XML 1.0 (section 2.2) takes it: what it has no letter for becomes U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\0'..=' ' if c != ' ' => out.push('\u{fffd}'),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}

/// The checks of a run: that its generator kept up, and each threshold.
#[must_use]
pub fn of_run(label: &str, generator: Option<&crate::finding::Finding>, judged: &[Judged]) -> Suite {
    let valid = generator.map(|finding| Case {
        class: "rehearsal.run",
        name: "the generator kept up".to_owned(),
        outcome: if finding.verdict == Verdict::Invalid { Outcome::Failed(finding.title.clone()) } else { Outcome::Passed },
        evidence: format!("{} ({})", finding.title, finding.evidence),
    });
    let thresholds = judged.iter().map(|one| Case {
        class: "rehearsal.thresholds",
        name: one.threshold.to_string(),
        outcome: match one.verdict {
            Verdict::Fail => Outcome::Failed(one.sentence()),
            Verdict::Pass => Outcome::Passed,
            _ => Outcome::Skipped(one.sentence()),
        },
        evidence: one.figures(),
    });
    Suite { name: label.to_owned(), cases: valid.into_iter().chain(thresholds).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_leave_their_place() {
        let case =
            |name: &str, outcome| Case { class: "c", name: name.to_owned(), outcome, evidence: "a<b & \"c\"\u{1}".to_owned() };
        let cases = vec![case("p95<20ms", Outcome::Passed), case("x", Outcome::Failed("too \"slow\" > 1\nline".to_owned()))];
        let found = xml(&[Suite { name: "]]>&".to_owned(), cases }]);
        assert!(
            found.contains("<testsuites name=\"rehearsal\" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\" time=\"0\">")
        );
        assert!(found.contains("name=\"]]&gt;&amp;\"") && found.contains("name=\"p95&lt;20ms\""));
        assert!(found.contains("message=\"too &quot;slow&quot; &gt; 1&#10;line\"") && found.contains("&quot;c&quot;\u{fffd}"));
    }
}
