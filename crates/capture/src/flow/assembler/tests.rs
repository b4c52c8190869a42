//! The assembler against a naive model, and case by case.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;

/// What a sink was given.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Given {
    Bytes(Way, i64, Vec<u8>),
    Gap(Way, u64),
    End(Way),
}

#[derive(Default)]
struct Record(Vec<Given>);

impl Sink for Record {
    fn bytes(&mut self, way: Way, at: TraceNs, bytes: &[u8]) {
        self.0.push(Given::Bytes(way, at.ns(), bytes.to_vec()));
    }
    fn gap(&mut self, way: Way, _: TraceNs, missing_bytes: u64) {
        self.0.push(Given::Gap(way, missing_bytes));
    }
    fn end(&mut self, way: Way, _: TraceNs) {
        self.0.push(Given::End(way));
    }
}

impl Record {
    /// One way as runs of bytes (`Ok`) and holes (`Err`), neighbours joined.
    fn runs(&self, way: Way) -> Vec<Result<Vec<u8>, u64>> {
        let mut runs: Vec<Result<Vec<u8>, u64>> = Vec::new();
        for given in &self.0 {
            match (runs.last_mut(), given) {
                (Some(Ok(run)), Given::Bytes(of, _, bytes)) if *of == way => run.extend(bytes),
                (_, Given::Bytes(of, _, bytes)) if *of == way => runs.push(Ok(bytes.clone())),
                (Some(Err(hole)), Given::Gap(of, missing)) if *of == way => *hole += missing,
                (_, Given::Gap(of, missing)) if *of == way => runs.push(Err(*missing)),
                _ => {}
            }
        }
        runs
    }

    fn text(&self, way: Way) -> String {
        let text = |run: Result<Vec<u8>, u64>| match run {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(missing) => format!("<{missing}>"),
        };
        self.runs(way).into_iter().map(text).collect()
    }
}

fn segment(seq: u32, ack: u32, payload: &[u8]) -> Segment<'_> {
    let end = SocketAddr::from(([0, 0, 0, 0], 0)).into();
    Segment { from: end, to: end, seq, ack: Some(ack), syn: false, fin: false, rst: false, payload, missing_bytes: 0 }
}

/// A connection being captured: forth begins at `seq` 100, back at 500.
struct Bench {
    assembler: Assembler,
    record: Record,
}

impl Bench {
    fn opened() -> Self {
        let mut bench = Self { assembler: Assembler::default(), record: Record::default() };
        bench.push(Way::Forth, 0, &Segment { syn: true, ack: None, ..segment(99, 0, b"") });
        bench.push(Way::Back, 0, &Segment { syn: true, ..segment(499, 100, b"") });
        bench
    }

    fn push(&mut self, way: Way, at: i64, segment: &Segment<'_>) {
        self.assembler.push(way, TraceNs(at), segment, &mut self.record);
    }

    fn finish(&mut self) {
        self.assembler.finish(TraceNs(i64::MAX / 4), &mut self.record);
    }
}

#[test]
fn retransmission_and_overlap_give_each_byte_once_and_the_first_copy() {
    let mut bench = Bench::opened();
    bench.push(Way::Forth, 1, &segment(100, 500, b"GOOD"));
    bench.push(Way::Forth, 2, &segment(100, 500, b"EVIL"));
    bench.push(Way::Forth, 3, &segment(102, 500, b"xxDAY"));
    assert_eq!(bench.record.text(Way::Forth), "GOODDAY");
    assert_eq!(bench.assembler.repeated_bytes, 6);
}

#[test]
fn segments_out_of_order_wait_and_keep_their_times_in_order() {
    let mut bench = Bench::opened();
    bench.push(Way::Forth, 10, &segment(103, 500, b"def"));
    assert_eq!(bench.record.0, []);
    bench.push(Way::Forth, 20, &segment(100, 500, b"abc"));
    let expected = [Given::Bytes(Way::Forth, 20, b"abc".to_vec()), Given::Bytes(Way::Forth, 20, b"def".to_vec())];
    assert_eq!(bench.record.0, expected);
}

#[test]
fn an_answer_never_comes_before_the_question_it_acknowledges() {
    let mut bench = Bench::opened();
    bench.push(Way::Back, 2, &segment(500, 108, b"answer"));
    bench.push(Way::Forth, 1, &segment(100, 500, b"question"));
    let order: Vec<Way> =
        bench.record.0.iter().map(|given| if let Given::Bytes(way, ..) = given { *way } else { panic!() }).collect();
    assert_eq!(order, [Way::Forth, Way::Back]);
}

#[test]
fn an_acknowledged_hole_is_given_up_after_a_second_another_after_a_minute() {
    for (acked, patience_ns) in [(true, ACKED_HOLE_NS), (false, HOLE_NS)] {
        let mut bench = Bench::opened();
        bench.push(Way::Forth, 0, &segment(110, 500, b"later"));
        if acked {
            bench.push(Way::Back, 1, &segment(500, 115, b""));
        }
        bench.push(Way::Forth, patience_ns, &segment(115, 500, b"!"));
        assert_eq!(bench.record.text(Way::Forth), "");
        bench.push(Way::Forth, patience_ns + 1, &segment(116, 500, b"?"));
        assert_eq!(bench.record.text(Way::Forth), "<10>later!?");
    }
}

#[test]
fn a_hole_is_given_up_when_too_much_waits_for_it() {
    let mut bench = Bench::opened();
    let part = vec![b'x'; 60_000];
    let mut seq = 101;
    while bench.record.0.is_empty() {
        assert!(bench.assembler.held_bytes() <= HELD_BYTES_MAX);
        bench.push(Way::Forth, 1, &segment(seq, 500, &part));
        seq += part.len() as u32;
    }
    assert_eq!(bench.record.0[0], Given::Gap(Way::Forth, 1));
    assert_eq!(bench.assembler.held_bytes(), 0);
}

#[test]
fn many_tiny_segments_are_bounded_too() {
    let mut bench = Bench::opened();
    for index in 0..=HELD_SEGMENTS_MAX as u32 {
        bench.push(Way::Forth, 1, &segment(102 + 2 * index, 500, b"x"));
    }
    assert!(bench.assembler.forth.held.len() <= HELD_SEGMENTS_MAX);
}

#[test]
fn what_was_acknowledged_and_never_captured_is_missing_at_the_end() {
    let mut bench = Bench::opened();
    bench.push(Way::Forth, 1, &segment(100, 500, b"GET"));
    bench.push(Way::Forth, 2, &segment(103, 3402, b""));
    bench.finish();
    assert_eq!(bench.record.text(Way::Back), "<2902>");
}

#[test]
fn a_fin_ends_its_way_after_the_bytes_before_it() {
    let mut bench = Bench::opened();
    bench.push(Way::Back, 1, &Segment { fin: true, ..segment(503, 100, b"end") });
    bench.push(Way::Back, 2, &segment(500, 100, b"the"));
    bench.push(Way::Back, 3, &segment(506, 100, b"more"));
    assert_eq!(bench.record.text(Way::Back), "theend");
    assert_eq!(bench.record.0.last(), Some(&Given::End(Way::Back)));
    assert_eq!(bench.assembler.stray_bytes, 4);
    assert!(!bench.assembler.has_ended());
}

#[test]
fn bytes_beyond_the_snap_length_are_missing_at_once() {
    let mut bench = Bench::opened();
    bench.push(Way::Forth, 1, &Segment { missing_bytes: 1000, ..segment(100, 500, b"GET /") });
    bench.push(Way::Forth, 2, &segment(1105, 500, b"next"));
    assert_eq!(bench.record.text(Way::Forth), "GET /<1000>next");
}

#[test]
fn a_capture_of_one_direction_flows_with_the_other_as_gaps() {
    let mut bench = Bench { assembler: Assembler::default(), record: Record::default() };
    for (index, second) in (0..5_u32).zip(0_i64..) {
        bench.push(Way::Forth, second * 2 * ACKED_HOLE_NS, &segment(100 + 3 * index, 500 + 50 * index, b"GET"));
    }
    assert_eq!(
        bench.record.text(Way::Forth),
        "GET".repeat(5),
        "once it is known that the other side does not come, nothing waits"
    );
    bench.finish();
    assert_eq!((bench.record.text(Way::Forth), bench.record.text(Way::Back)), ("GET".repeat(5), "<200>".to_owned()));
}

#[test]
fn a_stream_that_goes_on_beyond_the_window_is_followed() {
    let mut bench = Bench::opened();
    bench.push(Way::Forth, 1, &segment(100, 500, b"before"));
    let far = 106 + (WINDOW_BYTES_MAX as u32) * 3 / 2;
    for index in 0..20 {
        bench.push(Way::Forth, 2, &segment(far + 10 * index, 500, b"after gap "));
    }
    let lost = u64::from(far - 106) + 10 * u64::from(STRAYS_MAX - 1);
    assert!(bench.record.text(Way::Forth).starts_with(&format!("before<{lost}>after gap ")), "{}", bench.record.text(Way::Forth));
}

#[test]
fn ways_that_each_claim_to_follow_the_other_do_not_stand_still() {
    let mut bench = Bench::opened();
    bench.push(Way::Forth, 1, &segment(100, 501, b"a"));
    bench.push(Way::Back, 2, &segment(500, 101, b"b"));
    assert_eq!((bench.record.text(Way::Forth), bench.record.text(Way::Back)), ("a".to_owned(), "b".to_owned()));
}

/// A piece of a stream as captured: offset, length, and which copy, so that every copy of a byte differs.
fn pieces() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((0_usize..400, 0_usize..60), 1..40)
}

fn copy_bytes(copy: usize, start: usize, length: usize) -> Vec<u8> {
    (start..start + length).map(|offset| (offset * 7 + copy * 31) as u8).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Any segments in any order, near any sequence number: the same bytes and holes as a map from offset to first copy gives.
    #[test]
    fn one_way_is_as_the_naive_model_says(pieces in pieces(), initial in prop_oneof![any::<u32>(), (u32::MAX - 300)..]) {
        let mut bench = Bench { assembler: Assembler::default(), record: Record::default() };
        let mut model: BTreeMap<usize, u8> = BTreeMap::new();
        bench.push(Way::Forth, 0, &Segment { syn: true, ..segment(initial, 0, b"") });
        for (copy, (start, length)) in pieces.iter().enumerate() {
            let bytes = copy_bytes(copy, *start, *length);
            for (offset, byte) in (*start..).zip(&bytes) {
                model.entry(offset).or_insert(*byte);
            }
            bench.push(Way::Forth, copy as i64, &segment(initial.wrapping_add(1 + *start as u32), 0, &bytes));
        }
        bench.finish();
        let mut expected: Vec<Result<Vec<u8>, u64>> = Vec::new();
        let mut next = 0;
        for (offset, byte) in model {
            if offset > next {
                expected.push(Err((offset - next) as u64));
            }
            match expected.last_mut() {
                Some(Ok(run)) => run.push(byte),
                _ => expected.push(Ok(vec![byte])),
            }
            next = offset + 1;
        }
        prop_assert_eq!(bench.record.runs(Way::Forth), expected);
    }

    /// A conversation captured with packets reordered, repeated and lost: every byte that was captured comes once and in its place, holes
    /// are as long as what was lost, and nothing comes before what it acknowledges.
    #[test]
    fn a_conversation_keeps_its_order(
        messages in prop::collection::vec((any::<bool>(), 1_usize..50), 1..40),
        moves in prop::collection::vec((0_usize..40, 0_usize..6), 0..20),
        lost in prop::collection::btree_set(0_usize..40, 0..6),
        wrap in any::<bool>(),
    ) {
        let base: u32 = if wrap { u32::MAX - 100 } else { 1000 };
        let (mut sent, mut packets) = ([0_usize; 2], Vec::new());
        for (forth, length) in &messages {
            let (way, own) = if *forth { (Way::Forth, 0) } else { (Way::Back, 1) };
            packets.push((way, sent[own], *length, sent[1 - own]));
            sent[own] += length;
        }
        let mut order: Vec<usize> = (0..packets.len()).filter(|index| !lost.contains(index)).collect();
        for (from, distance) in moves {
            if !order.is_empty() {
                let from = from % order.len();
                let to = (from + distance) % order.len();
                order.swap(from, to);
                order.push(order[from]);
            }
        }
        let mut bench = Bench { assembler: Assembler::default(), record: Record::default() };
        bench.push(Way::Forth, 0, &Segment { syn: true, ack: None, ..segment(base.wrapping_sub(1), 0, b"") });
        bench.push(Way::Back, 0, &Segment { syn: true, ..segment(base.wrapping_sub(1), base, b"") });
        for (at, index) in (1_i64..).zip(order) {
            let (way, start, length, ack) = packets[index];
            let bytes = copy_bytes(0, start, length);
            bench.push(way, at, &segment(base.wrapping_add(start as u32), base.wrapping_add(ack as u32), &bytes));
        }
        bench.finish();
        let acked_at = |way: Way, offset: u64| {
            packets.iter().find(|(of, start, length, _)| *of == way && (*start..start + length).contains(&(offset as usize))).map(|packet| packet.3 as u64)
        };
        let mut given = [0_u64; 2];
        for entry in &bench.record.0 {
            match entry {
                Given::Bytes(way, _, bytes) => {
                    let offset = given[*way as usize];
                    prop_assert_eq!(bytes, &copy_bytes(0, offset as usize, bytes.len()));
                    prop_assert!(given[way.other() as usize] >= acked_at(*way, offset).unwrap_or(0));
                    given[*way as usize] += bytes.len() as u64;
                }
                Given::Gap(way, missing) => given[*way as usize] += missing,
                Given::End(_) => {}
            }
        }
        if lost.is_empty() {
            prop_assert_eq!(given.map(|count| count as usize), sent);
            let has_gap = bench.record.0.iter().any(|entry| matches!(entry, Given::Gap(..)));
            prop_assert!(!has_gap);
        }
    }

    /// Whatever a hostile capture holds, nothing panics and memory stays bounded.
    #[test]
    fn hostile_segments_do_no_harm(
        segments in prop::collection::vec((any::<bool>(), any::<u32>(), any::<Option<u32>>(), any::<[bool; 2]>(), 0_usize..2000, any::<u16>(), any::<u32>()), 0..60),
    ) {
        let mut bench = Bench::opened();
        for (forth, seq, ack, [syn, fin], length, missing, at) in segments {
            let bytes = vec![0; length];
            let way = if forth { Way::Forth } else { Way::Back };
            let hostile = Segment { ack, syn, fin, missing_bytes: usize::from(missing), ..segment(seq, 0, &bytes) };
            bench.push(way, i64::from(at), &hostile);
            prop_assert!(bench.assembler.held_bytes() <= HELD_BYTES_MAX);
        }
        bench.finish();
        prop_assert_eq!(bench.assembler.held_bytes(), 0);
    }
}
