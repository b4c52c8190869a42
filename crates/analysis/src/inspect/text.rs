//! A summary for a terminal of 60 columns or more.

use std::fmt::{self, Display, Formatter};

use super::{Group, Quantiles, Share, TraceSummary};
use crate::units;

/// Rows of a table on the terminal; JSON has all.
const ROWS_SHOWN: usize = 12;
/// Columns of the whole, of a label before text, and of a name in a table.
const COLUMNS: usize = 60;
const LABEL_COLUMNS: usize = 14;
const NAME_COLUMNS: usize = 26;
/// Where there are too few values to say.
const INSUFFICIENT: &str = "–";
/// Where rows have no name.
const UNNAMED: &str = "(none)";

impl Display for TraceSummary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        self.character(f)?;
        self.busiest(f)?;
        self.sizes(f)?;
        groups(f, "operation", &self.operations)?;
        groups(f, "collection", &self.collections)?;
        self.account(f)?;
        self.warnings.iter().try_for_each(|warning| line(f, "warning", warning))
    }
}

/// A label and its text, broken between words.
fn line(f: &mut Formatter<'_>, label: &str, text: impl Display) -> fmt::Result {
    write!(f, "{label:<LABEL_COLUMNS$}")?;
    let mut column = LABEL_COLUMNS;
    for word in text.to_string().split(' ') {
        let columns = word.chars().count();
        if column > LABEL_COLUMNS && column + 1 + columns > COLUMNS {
            write!(f, "\n{:LABEL_COLUMNS$}", "")?;
            column = LABEL_COLUMNS;
        }
        let space = if column > LABEL_COLUMNS { " " } else { "" };
        write!(f, "{space}{word}")?;
        column += space.len() + columns;
    }
    f.write_str("\n")
}

impl TraceSummary {
    fn head(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let span = units::duration(self.traffic.span_ns as f64);
        line(f, "exchanges", format_args!("{} in {span}", units::count(self.exchanges)))?;
        if let Some(start) = self.wall_start_unix_ns {
            line(f, "recorded", units::utc(start))?;
        }
        let sources: Vec<&str> = self.sources.iter().take(ROWS_SHOWN).map(|source| source.name.as_str()).collect();
        line(f, "from", sources.join(", "))?;
        let sessions = &self.sessions;
        let half = format!("half of the requests in {} of them", units::count(sessions.carrying_half));
        line(f, "sessions", format_args!("{}, {half}", units::count(sessions.count)))?;
        line(f, "protocols", shares(&self.protocols))?;
        line(f, "effects", shares(&self.effects))?;
        line(f, "items", units::count(self.items))?;
        let answers = self.answers;
        let count = units::count;
        let text = format!("{} good, {} bad, {} unanswered", count(answers.ok), count(answers.failed), count(answers.unanswered));
        line(f, "answers", text)?;
        if !self.statuses.is_empty() {
            line(f, "statuses", shares(&self.statuses))?;
        }
        if !self.flags.is_empty() {
            line(f, "flags", shares(&self.flags))?;
        }
        Ok(())
    }

    fn character(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let traffic = &self.traffic;
        line(f, "rate", optional(traffic.rate_per_s, units::per_s))?;
        line(
            f,
            "gaps",
            format_args!("mean {}, CV {}", optional(traffic.iat_mean_ns, units::duration), optional(traffic.iat_cv, ratio)),
        )?;
        let (burstiness, memory) = (optional(traffic.burstiness, ratio), optional(traffic.memory, ratio));
        let zero = optional(traffic.zero_gap_share, units::share);
        line(f, "", format_args!("burstiness {burstiness}, memory {memory}, zero gaps {zero}"))?;
        write!(f, "\n{:<22}", "counts in windows of")?;
        traffic.windows.iter().try_for_each(|window| write!(f, "{:>9}", units::round_duration(window.window_ns as f64)))?;
        write!(f, "\n{:<22}", "index of dispersion")?;
        traffic.windows.iter().try_for_each(|window| write!(f, "{:>9}", optional(window.idc, ratio)))?;
        write!(f, "\n{:<22}", "peak to mean")?;
        traffic.windows.iter().try_for_each(|window| write!(f, "{:>9}", optional(window.peak_to_mean, ratio)))?;
        f.write_str("\n\n")
    }

    /// The busiest windows, as options that can be pasted behind `rehearsal cut TRACE -o PART`.
    fn busiest(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, window) in self.busiest.iter().enumerate() {
            let label = if i == 0 { "busiest" } else { "" };
            let (length, rate) = (units::round_duration(window.length_ns as f64), units::per_s(window.rate_per_s));
            line(f, label, format_args!("{length} at {rate}: cut {}", window.cut_options()))?;
        }
        if self.busiest.is_empty() { Ok(()) } else { f.write_str("\n") }
    }

    fn sizes(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<22}{:>9}{:>9}{:>9}{:>10}", "", "p50", "p99", "max", "sum")?;
        let mut row = |label: &str, values: &Quantiles, unit: fn(f64) -> String, sum: String| {
            let (p50, p99) = (quantile(values.p50, unit), quantile(values.p99, unit));
            let max = optional((values.count > 0).then_some(values.max as f64), unit);
            writeln!(f, "{label:<22}{p50:>9}{p99:>9}{max:>9}{sum:>10}")
        };
        row("latency as recorded", &self.latency_ns, units::duration, String::new())?;
        row("request size", &self.request_bytes, units::bytes, units::bytes(self.request_bytes.sum as f64))?;
        row("answer size", &self.response_bytes, units::bytes, units::bytes(self.response_bytes.sum as f64))
    }

    fn account(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("\n")?;
        if let Some(loss) = &self.loss {
            let dropped: u64 = loss.packets_dropped.values().sum();
            let count = units::count;
            let text =
                format!("{} read, {} decoded, {} dropped", count(loss.packets_read), count(loss.packets_decoded), count(dropped));
            line(f, "packets", text)?;
            for (reason, packets) in &loss.packets_dropped {
                line(f, "", format_args!("{} {reason}", count(*packets)))?;
            }
            let connections: Vec<String> = loss.connections.iter().map(|(name, n)| format!("{} {name}", count(*n))).collect();
            line(f, "connections", connections.join(", "))?;
            let bytes = |bytes: u64| units::bytes(bytes as f64);
            let (whole, missing, repeated) =
                (bytes(loss.bytes_reassembled), bytes(loss.bytes_missing), bytes(loss.bytes_repeated));
            line(f, "bytes", format_args!("{whole} in order, {missing} missing, {repeated} repeated"))?;
            let (incomplete, lost) = (count(loss.exchanges.incomplete), count(loss.exchanges.lost));
            line(f, "rows", format_args!("{incomplete} incomplete, {lost} requests lost without a row"))?;
            for (name, undecoded) in &loss.undecoded {
                let (connections, packets) =
                    (units::counted(undecoded.connections, "connection"), units::counted(undecoded.packets, "packet"));
                let (up, down) = (bytes(undecoded.client_bytes), bytes(undecoded.server_bytes));
                line(f, "undecoded", format_args!("{name}: {connections}, {packets}, {up} up, {down} down"))?;
            }
        }
        for issue in &self.issues {
            line(f, "issue", format_args!("{} × {}, first at {}", units::count(issue.count), issue.kind, issue.first))?;
        }
        Ok(())
    }
}

/// `http 1.1 98 %, http 1.0 2 %`, each entry in one piece.
fn shares(shares: &[Share]) -> String {
    let entry = |share: &Share| format!("{} {}", share.name, units::share(share.share)).replace(' ', "\u{a0}");
    let mut text: Vec<String> = shares.iter().take(ROWS_SHOWN).map(entry).collect();
    if shares.len() > ROWS_SHOWN {
        text.push(format!("{} more", shares.len() - ROWS_SHOWN));
    }
    text.join(", ")
}

fn groups(f: &mut Formatter<'_>, label: &str, groups: &[Group]) -> fmt::Result {
    writeln!(f, "\n{label:<NAME_COLUMNS$}{:>8}{:>8}{:>9}{:>9}", "requests", "share", "p50", "p99")?;
    for group in groups.iter().take(ROWS_SHOWN) {
        let share = &group.share;
        let (p50, p99) = (quantile(group.latency_ns.p50, units::duration), quantile(group.latency_ns.p99, units::duration));
        let (name, count, share) = (beside(f, &share.name)?, units::count(share.count), units::share(share.share));
        writeln!(f, "{name:<NAME_COLUMNS$}{count:>8}{share:>8}{p50:>9}{p99:>9}")?;
    }
    if groups.len() > ROWS_SHOWN {
        writeln!(f, "… and {} more", units::count((groups.len() - ROWS_SHOWN) as u64))?;
    }
    Ok(())
}

/// The name as it stands beside its figures; one that is too long goes on a line of its own, above them.
fn beside<'a>(f: &mut Formatter<'_>, name: &'a str) -> Result<&'a str, fmt::Error> {
    let name = if name.is_empty() { UNNAMED } else { name };
    let length = name.chars().count();
    if length < NAME_COLUMNS {
        return Ok(name);
    }
    let cut = if length > COLUMNS { "…" } else { "" };
    let shown: String = name.chars().take(COLUMNS - cut.len().min(1)).collect();
    writeln!(f, "{shown}{cut}").map(|()| "")
}

fn quantile(value: Option<u64>, unit: fn(f64) -> String) -> String {
    optional(value.map(|value| value as f64), unit)
}

fn optional(value: Option<f64>, unit: fn(f64) -> String) -> String {
    value.map_or_else(|| INSUFFICIENT.to_owned(), unit)
}

/// A ratio in two decimals.
fn ratio(value: f64) -> String {
    let text = format!("{:.2}", value.abs());
    if value < 0.0 && text != "0.00" { format!("−{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{row, summary};
    use super::*;
    use trace::{Exchange, Issue, Loss, Name, TraceMeta, Undecoded};

    fn text(exchange: impl Fn(u64) -> Exchange, meta: TraceMeta) -> String {
        summary((0..4000).map(exchange), &[meta]).to_string()
    }

    #[test]
    fn the_figures_are_there_in_sixty_columns() {
        let undecoded = Undecoded { connections: 1, packets: 5, client_bytes: 7000, server_bytes: 0 };
        let loss =
            Loss { packets_read: 10, bytes_missing: 3, undecoded: [("443 tls".to_owned(), undecoded)].into(), ..Loss::default() };
        let issues = vec![Issue {
            kind: "tcp-gap".to_owned(),
            first: "packet 3 of a rather long name of a capture.pcapng".to_owned(),
            count: 2,
        }];
        let long = |i: u64| {
            let collection = Name::from(format!("a-collection-with-a-rather-long-name-{}", i % 40));
            Exchange { collection, status: Some(Name::from(format!("{}", 200 + i % 30))), ..row(i, 100) }
        };
        let text = text(long, TraceMeta { loss: Some(loss), issues, ..TraceMeta::default() });
        for wanted in [
            "4,000 in 40.0 s",
            "443 tls: 1 connection, 5 packets, 7.00 kB",
            "2 × tcp-gap",
            "… and 28 more",
            "index of dispersion",
            "a-collection-with-a-rather-long-name-0 100 2.50 %",
        ] {
            assert!(text.split_whitespace().collect::<Vec<_>>().join(" ").contains(wanted), "{wanted} in\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
    }

    #[test]
    fn an_empty_trace_has_dashes() {
        let text = summary(std::iter::empty(), &[TraceMeta::default()]).to_string();
        assert!(text.starts_with("exchanges     0 in 0 ns\n") && text.contains("mean –, CV –"), "{text}");
    }
}
