//! What the testbed's own work costs: a search among points, and the queue's departure logic.

use std::hint::black_box;

use divan::Bencher;
use stats::Rng;
use testbed::queue::{Law, Station};
use testbed::vectors::{Collection, Filter, Metric, NewPoint, PointId, Wanted, nearest};

fn main() {
    divan::main();
}

fn vector(rng: &mut Rng, dimension: usize) -> Vec<f32> {
    (0..dimension).map(|_| rng.normal() as f32).collect()
}

fn filled(points: u64, dimension: usize) -> Collection {
    let mut rng = Rng::stream(1, "points");
    let mut collection = Collection::new(Metric::Cosine, dimension);
    let payload = |id: u64| serde_json::from_value(serde_json::json!({ "group": id % 10 })).expect("an object");
    let point = |id| NewPoint { id: PointId::Number(id), vector: vector(&mut rng, dimension), payload: payload(id) };
    collection.upsert((0..points).map(point).collect());
    collection
}

#[divan::bench(args = [(1000, 64), (10_000, 64), (1000, 768)])]
fn ten_nearest(bencher: Bencher<'_, '_>, (points, dimension): (u64, usize)) {
    let collection = filled(points, dimension);
    let query = vector(&mut Rng::stream(2, "query"), dimension);
    bencher.bench_local(|| nearest(&collection, black_box(&query), &Wanted { limit: 10, ..Wanted::default() }));
}

#[divan::bench]
fn ten_nearest_of_a_tenth(bencher: Bencher<'_, '_>) {
    let collection = filled(1000, 64);
    let query = vector(&mut Rng::stream(2, "query"), 64);
    let filter: Filter = serde_json::from_str(r#"{"must": [{"key": "group", "match": {"value": 3}}]}"#).expect("a filter");
    let wanted = Wanted { limit: 10, filter: Some(&filter), ..Wanted::default() };
    bencher.bench_local(|| nearest(&collection, black_box(&query), &wanted));
}

#[divan::bench]
fn a_visit_to_the_queue(bencher: Bencher<'_, '_>) {
    let mut station = Station::new(8, 10_000);
    let law: Law = "exp:8ms".parse().expect("a law");
    let mut rng = Rng::stream(3, "service");
    let mut now_ns = 0;
    bencher.bench_local(|| {
        now_ns += 1_100_000;
        station.admit(now_ns, law.draw_ns(&mut rng))
    });
}
