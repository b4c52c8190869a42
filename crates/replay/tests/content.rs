//! Which rows are replayed, against a definition written down a second time over a list of rows.

mod support;

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use replay::content::{Content, Place};
use replay::cut::{COLLECTION, Filter, Selection};
use replay::{ContentOptions, Passes};
use trace::{Exchange, Flag, TraceMeta, TraceNs};

use support::{of, row, setup, write};

/// A row as it stands in the content: id, instant, session, copy.
type Found = (u64, i64, u64, u32);

fn found(path: &Path, asked: &ContentOptions) -> replay::Result<Vec<Found>> {
    let content = Content::choose(path, asked)?;
    let extent = content.each(&[], |_, _| true)?;
    let mut found = Vec::new();
    content.repeated(&extent)?.each(&[], |row, Place { at, session, copy }| {
        found.push((row.id(), at.ns(), session, copy));
        true
    })?;
    Ok(found)
}

/// Rows in trace order, some of them setup, in two collections.
fn traces() -> impl Strategy<Value = Vec<Exchange>> {
    let row_of = |(at_ns, session, kind, copy): (i64, u64, u8, u32), seq| {
        let exchange = Exchange { copy, ..of(if kind % 2 == 0 { "a" } else { "b" }, row(at_ns, session, seq)) };
        if kind >= 8 { setup(exchange) } else { exchange }
    };
    prop::collection::vec((0_i64..4000, 0_u64..9, 0_u8..10, 0_u32..3), 1..60).prop_map(move |mut rows| {
        rows.sort_unstable();
        let first_ns = rows[0].0;
        rows.into_iter().zip(0..).map(|((at_ns, s, k, c), seq)| row_of((at_ns - first_ns, s, k, c), seq)).collect()
    })
}

/// The trace on disk. Its ids are places in `rows`, which is in trace order.
fn on_disk(rows: &[Exchange]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("t.parquet");
    let mut writer = trace::TraceWriter::create(&path).expect("room on the disk");
    rows.iter().for_each(|row| writer.push(row).expect("room on the disk"));
    writer.finish(TraceMeta::default()).expect("written");
    folder
}

fn look(rows: &[Exchange], asked: &ContentOptions) -> replay::Result<Vec<Found>> {
    found(&on_disk(rows).path().join("t.parquet"), asked)
}

fn docs_only(name: &str) -> Vec<Filter> {
    vec![Filter { field: COLLECTION, patterns: vec![name.to_owned()] }]
}

/// The definition: which rows stand where, instants not yet moved to 0.
fn defined(rows: &[Exchange], from_ns: i64, to_ns: i64, sessions: Option<u64>) -> Vec<(u64, i64)> {
    let wanted = |row: &Exchange| (from_ns..to_ns).contains(&row.at.ns()) && row.collection.as_str() == "a";
    let mut kept = Vec::new();
    for row in rows.iter().filter(|row| wanted(row)) {
        if !kept.contains(&row.session) && sessions.is_none_or(|most| (kept.len() as u64) < most) {
            kept.push(row.session);
        }
    }
    let place = |(id, row): (u64, &Exchange)| {
        let carried = row.flags.has(Flag::Setup) && row.at.ns() < to_ns;
        let stays = kept.contains(&row.session) && (wanted(row) || carried);
        stays.then(|| (id, row.at.ns().max(from_ns)))
    };
    (0..).zip(rows).filter_map(place).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn all_of_a_trace_once_is_the_trace(rows in traces()) {
        let wanted: Vec<Found> = (0..).zip(&rows).map(|(id, row)| (id, row.at.ns(), row.session, row.copy)).collect();
        prop_assert_eq!(look(&rows, &ContentOptions::default()).unwrap(), wanted);
    }

    #[test]
    fn chosen_rows_are_those_of_the_definition(
        rows in traces(), from_ns in 0_i64..3000, length_ns in 1_i64..3000, sessions in prop::option::of(1_u64..6),
        requests in prop::option::of(1_u64..40),
    ) {
        let (from, to) = (Some(TraceNs(from_ns)), Some(TraceNs(from_ns + length_ns)));
        let selection = Selection { from, to, filters: docs_only("a") };
        let asked = ContentOptions { selection, sessions, requests, ..ContentOptions::default() };
        let mut wanted = defined(&rows, from_ns, from_ns + length_ns, sessions);
        wanted.truncate(requests.map_or(usize::MAX, |most| most as usize));
        match look(&rows, &asked) {
            Ok(found) => {
                let first_ns = wanted[0].1;
                let found: Vec<(u64, i64)> = found.iter().map(|(id, at_ns, ..)| (*id, at_ns + first_ns)).collect();
                prop_assert_eq!(found, wanted);
            }
            Err(error) => prop_assert!(wanted.is_empty(), "{error}"),
        }
    }

    #[test]
    fn passes_follow_each_other_and_share_no_session_and_no_copy(rows in traces(), passes in 2_u64..6, filtered in any::<bool>()) {
        prop_assume!(!filtered || rows.iter().any(|row| row.collection.as_str() == "a"));
        let selection = Selection { filters: if filtered { docs_only("a") } else { Vec::new() }, ..Selection::default() };
        let once = look(&rows, &ContentOptions { selection: selection.clone(), ..ContentOptions::default() }).unwrap();
        let asked = ContentOptions { selection, passes: Passes::Times(passes), ..ContentOptions::default() };
        let looped = look(&rows, &asked).unwrap();
        let (count, span_ns) = (once.len(), once.last().unwrap().1);
        prop_assert_eq!(looped.len(), count * passes as usize);
        prop_assert!(looped.is_sorted_by_key(|(_, at_ns, ..)| *at_ns));
        let period_ns = if span_ns == 0 { 1_000_000_000 } else { span_ns + (span_ns / (count as i64 - 1)).max(1) };
        for (place, (id, at_ns, ..)) in looped.iter().enumerate() {
            let pass = (place / count) as i64;
            prop_assert_eq!((*id, *at_ns), (once[place % count].0, once[place % count].1 + pass * period_ns));
        }
        let copies: HashSet<(u64, u32)> = looped.iter().map(|(id, .., copy)| (*id, *copy)).collect();
        prop_assert_eq!(copies.len(), looped.len());
        // No two passes share a copy number, so that in a scaled trace (origin, copy) stays unique, too.
        let by_pass = looped.chunks(count).map(|pass| pass.iter().map(|row| row.3).collect::<HashSet<u32>>());
        let all: HashSet<u32> = looped.iter().map(|row| row.3).collect();
        prop_assert_eq!(all.len(), by_pass.map(|copies| copies.len()).sum::<usize>());
        let sessions: Vec<HashSet<u64>> = looped.chunks(count).map(|pass| pass.iter().map(|row| row.2).collect()).collect();
        let all: HashSet<u64> = sessions.iter().flatten().copied().collect();
        prop_assert_eq!(all.len(), sessions.iter().map(HashSet::len).sum::<usize>());
        prop_assert!(sessions.iter().all(|pass| pass.len() == sessions[0].len()));
    }

    #[test]
    fn gaps_are_shortened_and_nothing_else(rows in traces(), gap_max_ns in 0_u64..500) {
        let asked = ContentOptions { gap_max: Some(Duration::from_nanos(gap_max_ns)), ..ContentOptions::default() };
        let found = look(&rows, &asked).unwrap();
        let gaps = |at_ns: Vec<i64>| at_ns.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>();
        let wanted: Vec<i64> = gaps(rows.iter().map(|row| row.at.ns()).collect());
        let wanted: Vec<i64> = wanted.into_iter().map(|gap_ns| gap_ns.min(gap_max_ns as i64)).collect();
        prop_assert_eq!(gaps(found.iter().map(|row| row.1).collect()), wanted);
        prop_assert!(found.iter().zip(0..).all(|(row, id)| row.0 == id));
    }
}

#[test]
fn a_trace_of_many_batches_loops_like_one_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let count = 20_000_u64;
    let rows = (0..count).map(|i| row(i as i64 * 10, i % 7, i as u32));
    let path = write(&folder.path().join("t.parquet"), rows, TraceMeta::default());
    let found = found(&path, &ContentOptions { passes: Passes::Times(2), ..ContentOptions::default() }).unwrap();
    assert_eq!(found.len() as u64, 2 * count);
    for (place, (id, at_ns, session, copy)) in (0_u64..).zip(found) {
        let pass = place / count;
        assert_eq!((id, at_ns, session), (place % count, place as i64 * 10, id % 7 + pass * 7));
        assert_eq!(u64::from(copy), pass);
    }
}

#[test]
fn whoever_has_enough_is_given_no_more() {
    let rows: Vec<Exchange> = (0..10).map(|i| row(i, 0, i as u32)).collect();
    let folder = on_disk(&rows);
    let asked = ContentOptions { passes: Passes::Forever, ..ContentOptions::default() };
    let content = Content::choose(&folder.path().join("t.parquet"), &asked).unwrap();
    let extent = content.each(&[], |_, _| true).unwrap();
    let (content, mut taken) = (content.repeated(&extent).unwrap(), 0);
    assert_eq!((content.passes(), content.period_ns()), (None, Some(10)));
    let seen = content.each(&[], |_, _| {
        taken += 1;
        taken < 25
    });
    assert_eq!((taken, seen.unwrap().requests), (25, 25));
}

#[test]
fn what_leaves_nothing_or_makes_no_sense_is_one_sentence() {
    let rows: Vec<Exchange> = (0..3).map(|i| of("docs", row(i * 1_000_000_000, 0, i as u32))).collect();
    let chosen = |selection: Selection| ContentOptions { selection, ..ContentOptions::default() };
    let second = |s: i64| Some(TraceNs(s * 1_000_000_000));
    let cases = [
        (chosen(Selection { filters: docs_only("doc"), ..Selection::default() }), "did you mean `docs`?"),
        (chosen(Selection { from: second(9), ..Selection::default() }), "--from: 9 s is after the last request, at 2.000 s"),
        (chosen(Selection { from: second(2), to: second(1), ..Selection::default() }), "--to: 1 s is not after --from 2 s"),
        (chosen(Selection { to: second(0), ..Selection::default() }), "no request lies in the window"),
        (ContentOptions { requests: Some(0), ..ContentOptions::default() }, "--requests"),
        (ContentOptions { sessions: Some(0), ..ContentOptions::default() }, "--sessions"),
        (ContentOptions { passes: Passes::Times(u64::MAX), ..ContentOptions::default() }, "--loop: this trace can be looped"),
    ];
    for (asked, word) in cases {
        let said = look(&rows, &asked).unwrap_err().to_string();
        assert!(said.contains(word), "{said}");
    }
}
