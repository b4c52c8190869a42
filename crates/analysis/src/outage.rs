//! When what a probe watches was gone: from `events.jsonl`.

use serde::Serialize;
use trace::Event;

/// A time in which something that is watched was not there. Instants are ns since run start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outage {
    /// The probe.
    pub source: String,
    /// When it was missed.
    pub from_ns: i64,
    /// When it was there again; `None` where it never came back.
    pub to_ns: Option<i64>,
}

impl Outage {
    /// How long it was gone; 0 where it was never missed, only another. To the interval of the probe.
    #[must_use]
    pub fn away_ns(&self) -> Option<i64> {
        self.to_ns.map(|to_ns| to_ns - self.from_ns)
    }
}

/// Every outage of processes and servers, in the order in which they began. A probe that cannot read what still runs tells nothing of that.
#[must_use]
pub fn outages(events: &[Event]) -> Vec<Outage> {
    let mut outages: Vec<Outage> = Vec::new();
    for event in events {
        let open = outages.iter_mut().rfind(|outage| outage.source == event.source && outage.to_ns.is_none());
        match (event.kind.as_str(), open) {
            ("ended", None) => {
                outages.push(Outage { source: event.source.clone(), from_ns: event.run_ns, to_ns: None });
            }
            ("restarted" | "started", Some(open)) => open.to_ns = Some(event.run_ns),
            ("restarted", None) => {
                let (source, at_ns) = (event.source.clone(), event.run_ns);
                outages.push(Outage { source, from_ns: at_ns, to_ns: Some(at_ns) });
            }
            _ => {}
        }
    }
    outages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_lasts_from_the_end_to_the_start() {
        let event = |run_ns, source: &str, kind: &str| {
            let (source, kind) = (source.to_owned(), kind.to_owned());
            Event { run_ns, wall_ns: 0, source, kind, detail: String::new() }
        };
        let found = outages(&[
            event(5, "pid:1", "ended"),
            event(5, "pid:1", "failed"),
            event(7, "redis:a", "restarted"),
            event(9, "pid:1", "restarted"),
            event(9, "pid:1", "recovered"),
            event(11, "json:b", "failed"),
            event(12, "pid:1", "ended"),
        ]);
        let outage = |source: &str, from_ns, to_ns| Outage { source: source.to_owned(), from_ns, to_ns };
        assert_eq!(found, [outage("pid:1", 5, Some(9)), outage("redis:a", 7, Some(7)), outage("pid:1", 12, None)]);
        assert_eq!(found.iter().map(Outage::away_ns).collect::<Vec<_>>(), [Some(4), Some(0), None]);
    }
}
