//! CSV (RFC 4180) for spreadsheets: figures by collection and operation, figures over time, and failures.

use crate::Analysis;
use crate::distribution::{Distribution, LEVELS};
use crate::latency::Times;

/// Name and content of each file.
pub(crate) fn csv(analysis: &Analysis) -> [(&'static str, String); 3] {
    [("stats.csv", stats(analysis)), ("stats_history.csv", history(analysis)), ("failures.csv", failures(analysis))]
}

/// A row for each collection and operation, and one for all.
fn stats(analysis: &Analysis) -> String {
    let mut head: Vec<String> = ["collection", "operation", "requests", "failed", "answers_per_s"].map(str::to_owned).to_vec();
    for time in ["response", "service"] {
        head.extend(["mean", "min"].map(|name| format!("{time}_{name}_ms")));
        head.extend(LEVELS.iter().map(|(_, name)| format!("{time}_{name}_ms")));
        head.push(format!("{time}_max_ms"));
    }
    let seconds = analysis.totals.duration_s();
    let row = |collection: &str, operation: &str, requests: u64, ok: u64, times: &Times| -> Vec<String> {
        let rate = seconds.map(|seconds| format!("{:.3}", times.response.count as f64 / seconds)).unwrap_or_default();
        let names = [collection.to_owned(), operation.to_owned(), requests.to_string(), (requests - ok).to_string(), rate];
        names.into_iter().chain(figures(&times.response)).chain(figures(&times.service)).collect()
    };
    let groups = analysis.latency.groups.iter();
    let groups = groups.map(|group| row(&group.collection, &group.operation, group.requests, group.ok, &group.times));
    let all = row("", "all", analysis.totals.requests, analysis.totals.ok, &analysis.latency.overall);
    lines(std::iter::once(head).chain(groups).chain([all]))
}

/// Mean, least, quantiles, most; nothing where there are too few samples.
fn figures(times: &Distribution) -> Vec<String> {
    let ends = [times.mean_ns, times.min_ns.map(|ns| ns as f64)];
    let quantiles = times.quantiles.iter().map(|quantile| quantile.value_ns.map(|ns| ns as f64));
    let all = ends.into_iter().chain(quantiles).chain([times.max_ns.map(|ns| ns as f64)]);
    all.map(|ns| ns.map(|ns| format!("{:.6}", ns / 1e6)).unwrap_or_default()).collect()
}

/// A row for each stretch of time.
fn history(analysis: &Analysis) -> String {
    let head = ["from_s", "to_s", "due", "sent", "ok", "failed", "shed", "in_flight_mean"].map(str::to_owned).to_vec();
    let rates = &analysis.rates;
    let seconds = |ns: i64| format!("{:.3}", (ns - rates.bins.start_ns) as f64 / 1e9);
    let row = |bin: usize| -> Vec<String> {
        let counts = [&rates.due, &rates.sent, &rates.ok, &rates.failed, &rates.shed].map(|counts| counts[bin].to_string());
        let ends = [seconds(rates.bins.since_ns(bin)), seconds(rates.bins.until_ns(bin))];
        ends.into_iter().chain(counts).chain([format!("{:.3}", rates.in_flight[bin])]).collect()
    };
    lines(std::iter::once(head).chain((0..rates.bins.count).map(row)))
}

/// A row for each kind of failure.
fn failures(analysis: &Analysis) -> String {
    let head = ["failure", "requests", "first_s", "last_s"].map(str::to_owned).to_vec();
    let seconds = |ns: i64| format!("{:.6}", (ns - analysis.whole.first_due_ns) as f64 / 1e9);
    let rows = analysis.failures.iter().map(|failure| {
        vec![failure.kind.clone(), failure.count.to_string(), seconds(failure.first_ns), seconds(failure.last_ns)]
    });
    lines(std::iter::once(head).chain(rows))
}

fn lines(rows: impl Iterator<Item = Vec<String>>) -> String {
    rows.map(|row| row.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(",") + "\r\n").collect()
}

/// A field as RFC 4180, section 2 has it.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\r', '\n']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_with_commas_and_quotes_are_quoted() {
        let row = ["a", "b,c", "d\"e", "f\ng"].map(str::to_owned).to_vec();
        assert_eq!(lines(std::iter::once(row)), "a,\"b,c\",\"d\"\"e\",\"f\ng\"\r\n");
    }
}
