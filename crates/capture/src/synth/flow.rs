//! When each request comes, and in whose session.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use stats::Rng;
use trace::TraceNs;

use super::content::{Content, Request, Subjects};
use super::template::{Plan, Values};
use super::times::Times;
use super::{Length, Options, SESSIONS_MAX};

/// A request with its place in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    pub at: TraceNs,
    pub session: u64,
    pub seq: u32,
    /// Kind and number of the session, where it is one unit of work.
    pub txn: Option<(String, u64)>,
    pub request: Request,
}

/// The requests of a trace in trace order; an `Err` is the last.
pub(super) fn requests(options: &Options) -> Result<Box<dyn Iterator<Item = Result<Placed, String>>>, String> {
    match &options.template {
        None => Ok(Box::new(Independent::new(options)?.map(Ok))),
        Some(template) => Ok(Box::new(Sessions::new(options, Plan::new(template)?)?)),
    }
}

/// Requests that know nothing of each other, dealt out to users at random.
struct Independent {
    starts: Times,
    content: Content,
    dealer: Rng,
    /// Requests so far of each user.
    users: Vec<u32>,
    requests: u64,
    length: Length,
}

impl Independent {
    fn new(options: &Options) -> Result<Self, String> {
        Ok(Self {
            starts: Times::of(options, options.rate_per_s)?,
            content: Content::new(options)?,
            dealer: Rng::stream(options.seed, "users"),
            users: vec![0; usize::try_from(options.sessions).unwrap_or(usize::MAX)],
            requests: 0,
            length: options.length,
        })
    }
}

impl Iterator for Independent {
    type Item = Placed;

    fn next(&mut self) -> Option<Placed> {
        let (at, _) = self.starts.next()?;
        if !self.length.goes_on(at, self.requests) {
            return None;
        }
        self.requests += 1;
        let session = self.dealer.below(self.users.len() as u64);
        let seq = self.users[session as usize];
        self.users[session as usize] = seq.wrapping_add(1);
        Some(Placed { at, session, seq, txn: None, request: self.content.request() })
    }
}

/// Sessions of a template: they start by the arrival model, their steps follow with pauses.
struct Sessions {
    starts: Times,
    /// When the next session starts; `None` when no more do.
    next_start: Option<TraceNs>,
    plan: Plan,
    subjects: Subjects,
    draws: Rng,
    pauses: Rng,
    /// Sessions that go on: the due step of each, the earliest first.
    due: BinaryHeap<Reverse<Due>>,
    sessions: u64,
    /// Steps of all sessions that have started.
    requests: u64,
    points: u64,
    length: Length,
}

/// The next step of a session; ordered as a trace is.
struct Due {
    at: TraceNs,
    step: usize,
    values: Values,
}

impl Due {
    fn order(&self) -> (TraceNs, u64) {
        (self.at, self.values.session())
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

impl Sessions {
    fn new(options: &Options, plan: Plan) -> Result<Self, String> {
        let mut starts = Times::of(options, options.rate_per_s / plan.steps_mean())?;
        Ok(Self {
            next_start: starts.next().map(|(at, _)| at),
            starts,
            plan,
            subjects: Subjects::new(options)?,
            draws: Rng::stream(options.seed, "sessions"),
            pauses: Rng::stream(options.seed, "pauses"),
            due: BinaryHeap::new(),
            sessions: 0,
            requests: 0,
            points: options.points,
            length: options.length,
        })
    }

    /// Starts every session that begins before anything else is due.
    fn start_sessions(&mut self) -> Result<(), String> {
        while let Some(at) = self.next_start {
            if self.due.peek().is_some_and(|Reverse(due)| due.at <= at) {
                break;
            }
            if !self.length.goes_on(at, self.requests) {
                self.next_start = None;
                break;
            }
            if self.due.len() as u64 >= SESSIONS_MAX {
                return Err(format!(
                    "more than {SESSIONS_MAX} sessions of the template go on at once: lower the rate or think_ms"
                ));
            }
            let values = self.plan.draw(self.sessions, self.points, &mut self.subjects, &mut self.draws);
            self.sessions += 1;
            self.requests += self.plan.steps(&values) as u64;
            self.due.push(Reverse(Due { at, step: 0, values }));
            self.next_start = self.starts.next().map(|(at, _)| at);
        }
        Ok(())
    }

    fn step(&mut self, due: Due) -> Placed {
        let Due { at, step, values } = due;
        let placed = Placed {
            at,
            session: values.session(),
            seq: step as u32,
            txn: Some((self.plan.name(&values).to_owned(), values.session())),
            request: self.plan.request(&values, step, &mut self.subjects),
        };
        if step + 1 < self.plan.steps(&values) {
            let pause_ns = self.plan.think_ms(&values, step + 1) * 1e6 * self.pauses.exponential();
            self.due.push(Reverse(Due { at: at + pause_ns.round() as i64, step: step + 1, values }));
        }
        placed
    }
}

impl Iterator for Sessions {
    type Item = Result<Placed, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(reason) = self.start_sessions() {
            return Some(Err(reason));
        }
        let Reverse(due) = self.due.pop()?;
        Some(Ok(self.step(due)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Template;
    use super::*;
    use stats::daily::{Daily, Wave};

    fn all(options: &Options) -> Vec<Placed> {
        requests(options).expect("sound").map(|placed| placed.expect("few sessions")).collect()
    }

    fn with_template(plan: &str, options: Options) -> Options {
        Options { template: Some(Template::parse(plan).expect("sound")), dim: 2, ..options }
    }

    #[test]
    fn the_rate_is_what_was_asked() {
        let options = Options { dim: 2, rate_per_s: 250.0, length: Length::Requests(5000), ..Options::default() };
        let placed = all(&options);
        assert_eq!((placed.len(), placed[0].at), (5000, TraceNs(0)));
        let span_s = placed[4999].at.seconds();
        assert!((span_s / (4999.0 / 250.0) - 1.0).abs() < 5.0 / 5000_f64.sqrt(), "span {span_s} s");
        assert!(placed.is_sorted_by_key(|placed| (placed.at, placed.session, placed.seq)));
    }

    /// 10 ns apart on average, many would fall on one ns: they come one after the other, and the rate stays.
    #[test]
    fn instants_are_never_the_same() {
        let options = Options { dim: 1, rate_per_s: 1e8, length: Length::Requests(5000), ..Options::default() };
        let placed = all(&options);
        assert!(placed.windows(2).all(|pair| pair[0].at < pair[1].at));
        let mean_ns = placed[4999].at.ns() as f64 / 4999.0;
        assert!((mean_ns / 10.0 - 1.0).abs() < 5.0 / 5000_f64.sqrt(), "mean gap {mean_ns} ns");
    }

    #[test]
    fn a_duration_bounds_the_starts() {
        let length = Length::DurationS(0.1);
        let options = Options { dim: 2, rate_per_s: 100.0, arrivals: "uniform".to_owned(), length, ..Options::default() };
        let at: Vec<i64> = all(&options).iter().map(|placed| placed.at.ns()).collect();
        assert_eq!(at, (0..10).map(|i| i * 10_000_000).collect::<Vec<_>>());
    }

    /// Two days of 100 s, equal gaps on the curve's clock: each quarter of a day has what the curve runs up in it.
    #[test]
    fn the_rate_follows_the_day() {
        let diurnal = Some(Daily { day_s: 100.0, waves: vec![Wave { share: 0.8, peak_s: 50.0 }] });
        let (arrivals, length) = ("uniform".to_owned(), Length::DurationS(200.0));
        let options = Options { dim: 1, rate_per_s: 20.0, arrivals, diurnal, length, ..Options::default() };
        let mut quarters = [0_i32; 8];
        all(&options).iter().for_each(|placed| quarters[(placed.at.seconds() / 25.0) as usize] += 1);
        // ∫λ over a quarter from its start: day/4 ∓ amplitude·day/2π.
        let swing = 0.8 * 100.0 / (2.0 * std::f64::consts::PI);
        let expected = [-swing, swing, swing, -swing].map(|swing| (20.0 * (25.0 + swing)).round() as i32);
        for (found, expected) in quarters.iter().zip(expected.iter().cycle()) {
            assert!((found - expected).abs() <= 1, "{quarters:?}, expected {expected:?}");
        }
    }

    #[test]
    fn requests_are_dealt_to_users_in_order() {
        let options = Options { dim: 2, sessions: 5, length: Length::Requests(2000), ..Options::default() };
        let mut users = vec![0_u32; 5];
        for placed in all(&options) {
            assert_eq!(placed.seq, users[placed.session as usize]);
            users[placed.session as usize] += 1;
        }
        assert!(users.iter().all(|count| (f64::from(*count) - 400.0).abs() < 5.0 * (2000.0 * 0.2 * 0.8_f64).sqrt()), "{users:?}");
    }

    /// Two steps 30 ms apart on average at 1000 requests/s: sessions overlap, yet rows come in trace order, steps in theirs.
    #[test]
    fn sessions_of_a_template_overlap_in_order() {
        let plan = r#"{"sessions":[
            {"name":"a","weight":3,"steps":[{"method":"GET","path":"/{session}"},{"method":"GET","path":"/b","think_ms":30}]},
            {"name":"b","weight":1,"steps":[{"method":"GET","path":"/c"}]}]}"#;
        let options = Options { rate_per_s: 1000.0, length: Length::Requests(4000), ..Options::default() };
        let placed = all(&with_template(plan, options));
        assert!(placed.len() == 4000 || placed.len() == 4001, "the last session is finished");
        assert!(placed.is_sorted_by_key(|placed| (placed.at, placed.session, placed.seq)));
        let starts = placed.iter().filter(|placed| placed.seq == 0).count();
        let of_a = placed.iter().filter(|placed| placed.txn.as_ref().is_some_and(|txn| txn.0 == "a") && placed.seq == 0).count();
        assert!((of_a as f64 - 0.75 * starts as f64).abs() < 5.0 * (starts as f64 * 0.1875).sqrt());
        let rate = 4000.0 / placed[3999].at.seconds();
        assert!((rate / 1000.0 - 1.0).abs() < 0.1, "rate {rate}");
        let mut started = std::collections::HashMap::new();
        let mut pauses_ns = Vec::new();
        for row in placed.iter().filter(|row| row.txn.as_ref().is_some_and(|txn| txn.0 == "a")) {
            match row.seq {
                0 => assert!(row.request.path == format!("/{}", row.session) && started.insert(row.session, row.at).is_none()),
                _ => pauses_ns.push((row.at - started.remove(&row.session).expect("its first step came before")) as f64),
            }
        }
        assert!(started.is_empty(), "every session is whole");
        let mean_ms = pauses_ns.iter().sum::<f64>() / pauses_ns.len() as f64 / 1e6;
        assert!((mean_ms / 30.0 - 1.0).abs() < 5.0 / (pauses_ns.len() as f64).sqrt(), "pause {mean_ms} ms");
    }

    /// Within one choice the streams are apart: another arrival model leaves what is asked as it was.
    #[test]
    fn arrivals_and_content_are_independent() {
        let of = |arrivals: &str| {
            let options = Options { dim: 2, arrivals: arrivals.to_owned(), length: Length::Requests(50), ..Options::default() };
            all(&options).into_iter().map(|placed| (placed.session, placed.request)).collect::<Vec<_>>()
        };
        assert_eq!(of("poisson"), of("uniform"));
    }
}
