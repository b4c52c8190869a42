use proptest::prelude::*;
use trace::{Coding, RunNs};

use super::*;

const SEARCH: &str = "/collections/a/points/search";

/// An outcome with this answer.
fn outcome(status: u16, body: &str, expected: Option<Expected>, keep: Keep) -> Outcome {
    let mut answer = AnswerBody::new(Coding::None, keep);
    answer.push(body.as_bytes());
    let at = RunNs(0);
    Outcome {
        id: 0,
        copy: 0,
        label: 0,
        session: 0,
        stream: 0,
        conn: 1,
        due: at,
        blocked_ns: 0,
        queued_ns: 0,
        limited: false,
        sent: Some(at),
        first_byte: Some(at),
        done: at,
        connect_ns: None,
        status,
        error: None,
        items: 1,
        request_bytes: 0,
        response_bytes: 0,
        txn: None,
        expected: expected.map(Arc::new),
        answer: (keep != Keep::Nothing).then(|| Arc::new(AnswerBudget::default()).hold(answer).expect("within the budget")),
    }
}

/// The recorded answer as an import would leave it, with its body or without.
fn recorded(rules: &Rules, target: &str, body: &str, keeps: bool) -> Expected {
    let said = rules.answer(rules.rule_of("POST", target), 200, body.as_bytes());
    let ids = said.ids.map(|ids| ids.into_iter().map(Box::from).collect());
    Expected { status: 200, ok: said.ok, hash: Some(said.hash), ids, body: keeps.then(|| body.as_bytes().into()) }
}

fn comparison() -> Comparison {
    Comparison { level: Level::Body, ignored: Vec::new(), tolerance: None, recall_at: None }
}

fn judged(target: &str, one: &str, other: &str, keeps: bool, comparison: &Comparison) -> Verdict {
    let rules = Rules::builtin();
    let rule = rules.rule_of("POST", target);
    let expected = recorded(&rules, target, one, keeps);
    let judge = Judge::new(rules, Some(comparison.clone()));
    let keep = judge.keep(rule, Some(&expected));
    judge.judge(rule, &outcome(200, other, Some(expected), keep))
}

/// What a search says whose recorded answer is `one` and which now is answered with `other`.
fn check(one: &str, other: &str, keeps: bool, comparison: &Comparison, wanted: Match, at: &str) {
    let verdict = judged(SEARCH, one, other, keeps, comparison);
    let found = verdict.difference.map(|difference| difference.at).unwrap_or_default();
    assert_eq!((verdict.matched, found.as_str()), (Some(wanted), at), "{one} against {other}");
}

const ONE: &str = r#"{"result":[{"id":1,"score":0.5},{"id":2,"score":0.25}],"status":"ok","time":0.1}"#;

#[test]
fn digests_and_ids_decide_where_no_body_was_kept() {
    let plain = comparison();
    let check = |other: &str, comparison: &Comparison, wanted, at: &str| check(ONE, other, false, comparison, wanted, at);
    check(&ONE.replace("0.1", "7"), &plain, Match::Same, "");
    check(&ONE.replace("0.25", "0.26"), &plain, Match::SameIds, "");
    check(&ONE.replace("\"id\":2", "\"id\":3"), &plain, Match::DiffersBody, "ids/1");
    check(r#"{"result":[{"id":1,"score":0.5}]}"#, &plain, Match::DiffersBody, "ids/1");
    check(&ONE.replace("0.25", "0.26"), &Comparison { level: Level::Shape, ..plain.clone() }, Match::Unknown, "");
    check(&ONE.replace("\"id\":2", "\"id\":3"), &Comparison { level: Level::Status, ..plain.clone() }, Match::Same, "");
    let count = "/collections/a/points/count";
    let verdict = |comparison| judged(count, r#"{"result":{"count":1}}"#, r#"{"result":{"count":2}}"#, false, comparison).matched;
    assert_eq!(verdict(&plain), Some(Match::DiffersBody));
    assert_eq!(verdict(&Comparison { tolerance: Some(0.1), ..plain.clone() }), Some(Match::Unknown), "it cannot be told");
}

#[test]
fn kept_bodies_say_where_they_differ() {
    let plain = comparison();
    let shape = Comparison { level: Level::Shape, ..plain.clone() };
    let check = |other: &str, comparison: &Comparison, wanted, at: &str| check(ONE, other, true, comparison, wanted, at);
    check(&ONE.replace("0.25", "0.26"), &plain, Match::DiffersBody, "/result/1/score");
    check(&ONE.replace("0.25", "0.26"), &shape, Match::Same, "");
    check(&ONE.replace("0.25", "\"a\""), &shape, Match::DiffersShape, "/result/1/score");
    check(&ONE.replace("\"score\":0.25", "\"sc/re\":0.25"), &plain, Match::DiffersShape, "/result/1/score");
    check(&ONE.replace("\"status\":\"ok\",", "\"status\":\"ok\",\"new~\":1,"), &plain, Match::DiffersShape, "/new~0");
    check(r#"{"result":[{"id":1,"score":0.5}],"status":"ok","time":0.1}"#, &plain, Match::DiffersBody, "/result");
    check("no JSON", &plain, Match::DiffersShape, "byte 0");
}

#[test]
fn places_are_ignored_and_numbers_near_enough_are_equal() {
    let ignoring = |text: &str| Comparison { ignored: vec![Pointer::parse(text).unwrap()], ..comparison() };
    let near = |tolerance| Comparison { tolerance: Some(tolerance), ..comparison() };
    let check = |other: &str, comparison: &Comparison, wanted, at: &str| check(ONE, other, true, comparison, wanted, at);
    let other = ONE.replace("0.25", "0.2501");
    check(&other, &ignoring("/result/*/score"), Match::Same, "");
    check(&other, &ignoring("/result/0/score"), Match::DiffersBody, "/result/1/score");
    check(&other, &ignoring("/*/1/*"), Match::Same, "");
    check(&ONE.replace(",\"score\":0.25", ""), &ignoring("/result/1/score"), Match::Same, "");
    check(&other, &near(1.1e-4), Match::Same, "");
    check(&other, &near(0.9e-4), Match::DiffersBody, "/result/1/score");
    check(&ONE.replace("\"id\":2", "\"id\":3"), &near(10.0), Match::DiffersBody, "/result/1/id");
    let large = |value: &str| ONE.replace("0.5", value);
    let verdict = |one: &str, other: &str| judged(SEARCH, one, other, true, &near(1e-4)).matched;
    assert_eq!(verdict(&large("20000.0"), &large("20001.5")), Some(Match::Same), "relative above 1");
    assert_eq!(verdict(&large("20000.0"), &large("20002.5")), Some(Match::DiffersBody));
}

#[test]
fn a_masked_value_is_nobodys_difference() {
    let masked = format!("redacted-{:032x}", 7);
    let judge = |mask: &str| {
        let rules = Rules::builtin();
        let mut expected = recorded(&rules, "/x", r#"{"token":"secret"}"#, false);
        expected.body = Some(format!(r#"{{"token":"{mask}"}}"#).as_bytes().into());
        let replayed = outcome(200, r#"{"token":"other"}"#, Some(expected), Keep::Whole);
        Judge::new(rules, Some(comparison())).judge(None, &replayed).matched
    };
    assert_eq!(judge(&masked), Some(Match::Same));
    assert_eq!(judge("redacted-7"), Some(Match::DiffersBody));
}

#[test]
fn recall_and_rank_correlation_are_those_of_the_ids() {
    let ids = |ids: &[u32]| {
        let hits: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
        json!({ "result": hits }).to_string()
    };
    let of = |one: &[u32], other: &[u32], recall_at| {
        let verdict = judged(SEARCH, &ids(one), &ids(other), false, &Comparison { recall_at, ..comparison() });
        (verdict.recall, verdict.rank_correlation)
    };
    assert_eq!(of(&[1, 2, 3, 4], &[1, 2, 3, 4], None), (Some(1.0), Some(1.0)));
    assert_eq!(of(&[1, 2, 3, 4], &[4, 9, 1, 8], None), (Some(0.5), Some(-1.0)));
    assert_eq!(of(&[1, 2, 3, 4], &[2, 9, 1, 8], Some(1)), (Some(0.0), Some(-1.0)));
    assert_eq!(of(&[], &[1], None), (None, None));
}

#[test]
fn a_status_a_failure_or_an_error_differs() {
    let rules = Rules::builtin();
    let judge = Judge::new(rules.clone(), Some(Comparison { level: Level::Status, ..comparison() }));
    let at = |target: &str| rules.rule_of("POST", target);
    let difference = |rule, outcome: &Outcome| {
        let verdict = judge.judge(rule, outcome);
        (verdict.matched.unwrap(), verdict.failed, verdict.difference.map(|found| (found.recorded, found.replayed)))
    };
    let search = || Some(recorded(&rules, SEARCH, ONE, false));
    let said = |one: &str, other: &str| Some((one.to_owned(), other.to_owned()));
    let bad = outcome(503, "", search(), Keep::Nothing);
    assert_eq!(difference(at(SEARCH), &bad), (Match::DiffersStatus, false, said("200", "503")));
    let timed_out = Outcome { error: Some(ErrorClass::Timeout), status: 0, ..outcome(0, "", search(), Keep::Nothing) };
    assert_eq!(difference(at(SEARCH), &timed_out), (Match::DiffersStatus, false, said("200", "timeout")));
    let shed = Outcome { error: Some(ErrorClass::ShedInFlight), sent: None, ..outcome(0, "", search(), Keep::Nothing) };
    assert_eq!(difference(at(SEARCH), &shed), (Match::Unknown, false, None));
    assert_eq!(difference(at(SEARCH), &outcome(200, "", None, Keep::Nothing)), (Match::Unknown, false, None));
    let graphql = Some(recorded(&rules, "/graphql", r#"{"data":{}}"#, false));
    let failed = outcome(200, r#"{"errors":[{"message":"no"}]}"#, graphql, Keep::Whole);
    assert_eq!(difference(at("/graphql"), &failed), (Match::DiffersStatus, true, said("200", "200 with a failure inside")));
}

#[test]
fn failures_inside_good_answers_are_found_without_a_comparison_and_nothing_else_is_gathered() {
    let rules = Rules::builtin();
    let judge = Judge::new(rules.clone(), None);
    let failed = |target: &str, body: &str| {
        let rule = rules.rule_of("POST", target);
        judge.judge(rule, &outcome(200, body, None, judge.keep(rule, None)))
    };
    assert!(failed("/v2/vectordb/entities/search", r#"{"code":1100,"message":"no"}"#).failed);
    assert!(!failed("/v2/vectordb/entities/search", r#"{"code":0,"data":[]}"#).failed);
    assert!(failed("/a/_bulk", r#"{"errors":true,"items":[]}"#).failed);
    assert_eq!(failed(SEARCH, r#"{"errors":true}"#), Verdict::default());
    assert_eq!(judge.keep(rules.rule_of("POST", SEARCH), None), Keep::Nothing);
    assert_eq!(judge.keep(None, None), Keep::Nothing);
}

#[test]
fn bodies_past_the_budget_are_let_go() {
    let budget = Arc::new(AnswerBudget::default());
    let body = || {
        let mut body = AnswerBody::new(Coding::None, Keep::Whole);
        body.push(&vec![0; 10 << 20]);
        body
    };
    let held: Vec<Box<HeldAnswer>> = (0..10).map_while(|_| budget.hold(body())).collect();
    assert!((1..=6).contains(&held.len()), "{} of 10 MiB each", held.len());
    drop(held);
    assert!(budget.hold(body()).is_some(), "given back");
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (-9.0_f64..9.0).prop_map(Value::from),
        "[a-c/~]{0,3}".prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 30, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c/~]{1,2}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// A walk finds a difference exactly where there is one, and names a place where both values differ.
    #[test]
    fn a_difference_is_where_it_is_said_to_be(one in value(), other in value()) {
        let walk = |one: &Value, other: &Value| {
            let mut walk = Walk { ignored: Vec::new(), tolerance: None, path: Vec::new(), body: None };
            walk.compare(one, other).or(walk.body)
        };
        prop_assert_eq!(walk(&one, &one), None);
        let found = walk(&one, &other);
        prop_assert_eq!(found.is_some(), one != other);
        if let Some(difference) = found {
            prop_assert_ne!(one.pointer(&difference.at), other.pointer(&difference.at), "at {}", difference.at);
        }
    }
}
