use super::*;

/// The history of these values in one column.
fn of(values: &[f64], options: &HistoryOptions) -> History {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let table = dir.path().join("results.csv");
    let lines: String = values.iter().enumerate().map(|(day, value)| format!("day {day},c{day},{value}\n")).collect();
    std::fs::write(&table, format!("when,commit,value\n{lines}")).expect("room on the disk");
    History::of(&table, options).expect("a table")
}

fn changes(history: &History) -> Vec<(usize, bool, bool)> {
    history.lines[0].trends[0].changes.iter().map(|change| (change.point, change.worse, change.recent)).collect()
}

/// Thirty values of 100 ± 2, and from the twentieth on of this.
fn jumping_to(level: f64) -> Vec<f64> {
    (0..30).map(|i| if i < 20 { 100.0 } else { level } + f64::from(i * 7 % 5) - 2.0).collect()
}

#[test]
fn a_change_for_the_worse_is_news_while_it_is_among_the_newest() {
    let options = |recent, higher_is_better| HistoryOptions { recent, higher_is_better, ..HistoryOptions::default() };
    let worse = of(&jumping_to(130.0), &options(10, false));
    assert_eq!(changes(&worse), [(20, true, true)]);
    assert_eq!((worse.news().count(), worse.overview().word.as_str()), (1, "WORSE"));
    let sentence = worse.overview().sentence;
    assert!(
        sentence.contains("value has been 130") && sentence.contains("+30.") && sentence.contains("day 20 (c20)"),
        "{sentence}"
    );
    let old = of(&jumping_to(130.0), &options(9, false));
    assert_eq!((changes(&old), old.news().count()), (vec![(20, true, false)], 0));
    assert_eq!(old.overview().word, "STEADY");
    let better = of(&jumping_to(130.0), &options(10, true));
    assert_eq!((changes(&better), better.news().count()), (vec![(20, false, true)], 0));
    assert_eq!(changes(&of(&jumping_to(103.0), &options(10, false))), [], "3 % is not much");
}

/// What came back to its level is no news: only the last change of a figure counts.
#[test]
fn what_recovered_is_no_news() {
    let values: Vec<f64> =
        (0..36).map(|i| if (20..28).contains(&i) { 150.0 } else { 100.0 } + f64::from(i * 7 % 5) - 2.0).collect();
    let history = of(&values, &HistoryOptions { recent: 30, ..HistoryOptions::default() });
    assert_eq!(changes(&history), [(20, true, true), (28, false, true)]);
    assert_eq!(history.news().count(), 0);
}

#[test]
fn zeros_and_too_few_points_are_no_trouble() {
    let options = HistoryOptions::default();
    let shares: Vec<f64> = (0..30).map(|i| if i < 20 { 0.0 } else { 0.05 + 0.001 * f64::from(i % 3) }).collect();
    let history = of(&shares, &options);
    assert_eq!(changes(&history), [(20, true, true)]);
    assert_eq!(history.lines[0].trends[0].changes[0].relative(), None, "there is no factor from 0");
    let short = of(&[1.0, 2.0, 3.0, 4.0, 5.0], &options);
    assert_eq!((short.overview().word.as_str(), short.says_something()), ("INSUFFICIENT", false));
    assert!(short.terminal(usize::MAX).contains("5 of 6 points"), "{}", short.terminal(usize::MAX));
}

/// The example of Otava's documentation (docs/CSV.md): the second figure falls by 12.9 % with the seventh commit, the first does not change.
#[test]
fn otavas_example_changes_where_otava_says() {
    let metric = [10.43, 10.23, 10.29, 10.91, 10.34, 10.69, 9.23, 9.11, 9.13, 9.03];
    let settings = Settings::otava(50, 0.001, 0.0);
    let history = of(&metric, &HistoryOptions { settings, ..HistoryOptions::default() });
    assert_eq!(changes(&history), [(6, false, true)]);
    assert!(history.terminal(usize::MAX).contains("−12.9 %"), "{}", history.terminal(usize::MAX));
    let other = [154_023.0, 138_455.0, 143_112.0, 149_190.0, 132_098.0, 151_344.0, 155_145.0, 148_889.0, 149_466.0, 148_209.0];
    assert_eq!(changes(&of(&other, &HistoryOptions { settings, ..HistoryOptions::default() })), []);
}

#[test]
fn columns_that_there_are_not_are_refused_with_the_nearest() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let table = dir.path().join("results.csv");
    std::fs::write(&table, "when,branch,value\n1,main,5\n2,main,5\n1,other,7\n").expect("room on the disk");
    let refused = |options: HistoryOptions| History::of(&table, &options).expect_err("refused").to_string();
    let figures = vec!["valve".to_owned()];
    assert!(
        refused(HistoryOptions { figures, ..HistoryOptions::default() })
            .contains("--figure: there is no `valve`, there are when")
    );
    let by = vec!["brunch".to_owned()];
    assert!(refused(HistoryOptions { by, ..HistoryOptions::default() }).ends_with("did you mean `branch`?"));
    let by = HistoryOptions { by: vec!["branch".to_owned()], ..HistoryOptions::default() };
    let history = History::of(&table, &by).expect("a table");
    assert_eq!(history.lines.iter().map(|line| line.points.len()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(history.lines[0].shared, [("branch".to_owned(), "main".to_owned())]);
}

/// The page and its document hold what the terminal says.
#[test]
fn a_page_has_a_chart_for_each_figure() {
    let history = of(&jumping_to(130.0), &HistoryOptions::default());
    let dir = tempfile::tempdir().expect("a temporary folder");
    let html = std::fs::read_to_string(history.write(dir.path()).expect("room on the disk")).expect("text");
    assert!(html.contains("value over time") && html.contains("worse +30."));
    assert!(dir.path().join("charts/history-1-1.svg").exists());
    let text = std::fs::read_to_string(dir.path().join("history.json")).expect("text");
    let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&document["kind"], &document["verdict"]), (&"rehearsal history".into(), &"worse".into()));
    assert_eq!(document["lines"][0]["trends"][0]["changes"][0]["point"], 20);
}
