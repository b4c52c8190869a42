//! Instants, each in integer nanoseconds from its own origin, so that the two can never be mixed.

use std::ops::{Add, Sub};
use std::time::Duration;

macro_rules! instant {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub i64);

        impl $name {
            /// Nanoseconds since the origin.
            #[must_use]
            pub const fn ns(self) -> i64 {
                self.0
            }

            /// Seconds since the origin, for presentation only.
            #[must_use]
            pub fn seconds(self) -> f64 {
                self.0 as f64 / 1e9
            }
        }

        /// Later by so many nanoseconds.
        impl Add<i64> for $name {
            type Output = Self;
            fn add(self, duration_ns: i64) -> Self {
                Self(self.0 + duration_ns)
            }
        }

        /// The nanoseconds between two instants.
        impl Sub for $name {
            type Output = i64;
            fn sub(self, earlier: Self) -> i64 {
                self.0 - earlier.0
            }
        }
    };
}

instant! {
    /// An instant on the recording's own time line: nanoseconds since the trace's first request.
    TraceNs
}
instant! {
    /// An instant of a replay: nanoseconds since the run's start.
    RunNs
}

/// A length of time in whole nanoseconds; past 292 years the most there are.
#[must_use]
pub fn whole_ns(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// A length of time as people write it: `1500ms`, `30s`, `5m`, `1.5h`, `250us`, or plain seconds.
///
/// # Errors
/// A sentence naming the units when it is none of these.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let number_end = text.find(|c: char| c.is_ascii_alphabetic() || c == 'µ').unwrap_or(text.len());
    let (number, unit) = text.split_at(number_end);
    let seconds = match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(format!("`{unit}` is no unit of time; use ns, us, ms, s, m, h or d")),
    };
    let value: f64 = number.trim().parse().map_err(|_| format!("`{text}` is no duration; write 500ms, 30s, 5m or 1h"))?;
    Duration::try_from_secs_f64(value * seconds).map_err(|_| format!("`{text}` is out of range; a duration is positive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("1.5h"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("250us"), Ok(Duration::from_micros(250)));
        assert!(parse_duration("3 fortnights").unwrap_err().contains("no unit of time"));
        assert!(parse_duration("-3s").is_err());
        assert!(parse_duration("s").is_err());
    }
}
