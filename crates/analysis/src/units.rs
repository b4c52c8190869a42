//! Figures as people read them: human units, thousands separators, three significant digits.
//!
//! Presentation only. Everything is computed in integer nanoseconds, bytes and counts, and comes here last.

/// Below this share of a unit's thousand, rounding to three digits stays below the next unit.
const NEXT_UNIT: f64 = 999.5;

/// `value` with three significant digits, grouped by thousands: `0.123`, `1.23`, `12.3`, `123`, `12,345`.
#[must_use]
pub fn number(value: f64) -> String {
    let size = value.abs();
    let decimals = match size {
        _ if size >= 99.95 || size == 0.0 => 0,
        _ if size >= 9.995 => 1,
        _ if size >= 0.9995 => 2,
        _ => (2.0 - size.log10().floor()).min(9.0) as usize,
    };
    let text = format!("{size:.decimals$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let sign = if value < 0.0 { "−" } else { "" };
    format!("{sign}{}{rest}", grouped(whole))
}

/// A count with thousands separators: `12,345`.
#[must_use]
pub fn count(value: u64) -> String {
    grouped(&value.to_string())
}

fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count with its noun in the right number: `1 request`, `2 requests`.
#[must_use]
pub fn counted(value: u64, noun: &str) -> String {
    let plural = if value == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(value))
}

/// The value scaled to the first unit in which it stays below a thousand; the last unit takes whatever is left.
fn scaled(value: f64, units: &[&'static str]) -> (f64, &'static str) {
    let mut value = value;
    for unit in &units[..units.len() - 1] {
        if value.abs() < NEXT_UNIT {
            return (value, unit);
        }
        value /= 1000.0;
    }
    (value, units[units.len() - 1])
}

const DURATIONS: &[&str] = &["ns", "µs", "ms", "s"];
const BYTES: &[&str] = &["B", "kB", "MB", "GB", "TB"];

/// A duration in nanoseconds: `850 ns`, `12.3 µs`, `1.23 ms`, `45.6 s`; from two minutes on `2 min 05 s`.
#[must_use]
pub fn duration(ns: f64) -> String {
    if ns.abs() >= 120e9 {
        return minutes(ns / 1e9);
    }
    let (value, unit) = scaled(ns, DURATIONS);
    format!("{} {unit}", number(value))
}

fn minutes(seconds: f64) -> String {
    let sign = if seconds < 0.0 { "−" } else { "" };
    let whole = seconds.abs().round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 { format!("{sign}{} h {minutes:02} min", count(hours)) } else { format!("{sign}{minutes} min {seconds:02} s") }
}

/// An interval of durations in nanoseconds: `11.9–12.8 ms`, or with both units where they differ.
#[must_use]
pub fn interval(low_ns: f64, high_ns: f64) -> String {
    let (low, high) = (duration(low_ns), duration(high_ns));
    match (low.split_once(' '), high.split_once(' ')) {
        (Some((low, unit)), Some((_, same))) if unit == same && !unit.contains(' ') => format!("{low}–{high}"),
        _ => format!("{low} – {high}"),
    }
}

/// A round duration for an axis: `1 ms`, not `1.00 ms`.
#[must_use]
pub fn round_duration(ns: f64) -> String {
    let (value, unit) = scaled(ns, DURATIONS);
    format!("{} {unit}", short(value))
}

/// A round number for an axis: `0.5`, `20`, `1,500`.
#[must_use]
pub fn short(value: f64) -> String {
    let text = number(value);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A place on a time axis, from seconds: `45 s`, then `1:30`, then `1:02:30`.
#[must_use]
pub fn time(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{} s", short(seconds)),
        60..3600 => format!("{}:{:02}", whole / 60, whole % 60),
        _ => format!("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60),
    }
}

/// An instant in nanoseconds since the Unix epoch as `2026-11-20 23:47:05 UTC`.
#[must_use]
pub fn utc(unix_ns: i64) -> String {
    let seconds = unix_ns.div_euclid(1_000_000_000);
    let ((year, month, day), second) = (civil(seconds.div_euclid(86_400)), seconds.rem_euclid(86_400));
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", second / 3600, second / 60 % 60, second % 60)
}

/// Year, month and day of the month of a day counted from 1970-01-01, found by counting from 0000-03-01 in eras of 400 years (Hinnant 2013,
/// *chrono-Compatible Low-Level Date Algorithms*, `civil_from_days`).
#[must_use]
pub fn civil(day: i64) -> (i64, i64, i64) {
    let days = day + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let month = (month_from_march + 2) % 12 + 1;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day_of_year - (153 * month_from_march + 2) / 5 + 1)
}

/// The day of a date, counted from 1970-01-01: the inverse of [`civil`] (`days_from_civil`, likewise).
#[must_use]
pub fn day(year: i64, month: i64, of_month: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + of_month - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Events per second: `1,234 /s`.
#[must_use]
pub fn per_s(value: f64) -> String {
    format!("{} /s", number(value))
}

/// Bytes in decimal units: `1.23 MB`.
#[must_use]
pub fn bytes(value: f64) -> String {
    let (value, unit) = scaled(value, BYTES);
    format!("{} {unit}", number(value))
}

/// Round bytes for an axis: `50 MB`, not `50.0 MB`.
#[must_use]
pub fn round_bytes(value: f64) -> String {
    let (value, unit) = scaled(value, BYTES);
    format!("{} {unit}", short(value))
}

/// A round number of any size for a short place: `0.5`, `2,000`, `50 k`, `1.5 M`.
#[must_use]
pub fn brief(value: f64) -> String {
    if value.abs() < 1e4 {
        return short(value);
    }
    let (value, unit) = scaled(value, &["", "k", "M", "G", "T"]);
    format!("{} {unit}", short(value))
}

/// What a probe read, in the unit that it says.
#[must_use]
pub fn reading(value: f64, unit: &str) -> String {
    match unit {
        "bytes" => bytes(value),
        "bytes/s" => format!("{}/s", bytes(value)),
        "s" => duration(value * 1e9),
        "/s" => per_s(value),
        "share" => share(value),
        "" => number(value),
        unit => format!("{} {unit}", number(value)),
    }
}

/// A share between 0 and 1 as percent. Never rounded to 0 or 100 unless it is exactly that.
#[must_use]
pub fn share(value: f64) -> String {
    if value > 0.9995 && value < 1.0 {
        let nines = (-(1.0 - value).log10() - 1e-6).ceil().min(12.0) as usize;
        return format!("{:.*} %", nines - 2, value * 100.0);
    }
    if value > 0.0 && value < 1e-5 {
        return "< 0.001 %".to_owned();
    }
    format!("{} %", number(value * 100.0))
}

/// The chance of something: `0.0123`, `< 0.000001`.
#[must_use]
pub fn chance(p: f64) -> String {
    if p < 1e-6 { "< 0.000001".to_owned() } else { number(p) }
}

/// A round share for an axis: `20 %`.
#[must_use]
pub fn share_label(value: f64) -> String {
    format!("{} %", short(value * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        let cases = [
            (0.0, "0"),
            (0.01234, "0.0123"),
            (1.0, "1.00"),
            (9.996, "10.0"),
            (99.96, "100"),
            (123.4, "123"),
            (12_345.6, "12,346"),
            (-1.5, "−1.50"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(counted(1, "request"), "1 request");
        assert_eq!(counted(1000, "request"), "1,000 requests");
    }

    #[test]
    fn durations_change_unit_before_a_thousand() {
        let cases = [
            (0.0, "0 ns"),
            (850.0, "850 ns"),
            (999.6, "1.00 µs"),
            (12_340.0, "12.3 µs"),
            (999_600.0, "1.00 ms"),
            (45.6e9, "45.6 s"),
            (125e9, "2 min 05 s"),
            (3_725e9, "1 h 02 min"),
        ];
        for (ns, text) in cases {
            assert_eq!(duration(ns), text);
        }
        assert_eq!(interval(11.9e6, 12.8e6), "11.9–12.8 ms");
        assert_eq!(interval(0.98e6, 1.02e6), "980 µs – 1.02 ms");
        assert_eq!(interval(125e9, 250e9), "2 min 05 s – 4 min 10 s");
        assert_eq!(round_duration(1e6), "1 ms");
        assert_eq!(round_duration(2.5e8), "250 ms");
    }

    #[test]
    fn shares_are_never_rounded_to_all_or_nothing() {
        assert_eq!(share(0.0), "0 %");
        assert_eq!(share(1.0), "100 %");
        assert_eq!(share(0.99999), "99.999 %");
        assert_eq!(share(0.00002), "0.00200 %");
        assert_eq!(share(1e-9), "< 0.001 %");
        assert_eq!(share(0.5), "50.0 %");
    }

    #[test]
    fn dates_follow_the_calendar() {
        // From `date -u -d @N`.
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(951_782_400_000_000_000), "2000-02-29 00:00:00 UTC");
        assert_eq!(utc(1_763_682_425_000_000_000), "2025-11-20 23:47:05 UTC");
    }

    #[test]
    fn places_on_axes_are_round() {
        assert_eq!(time(0.5), "0.5 s");
        assert_eq!(time(90.0), "1:30");
        assert_eq!(time(3750.0), "1:02:30");
        assert_eq!(bytes(1_500_000.0), "1.50 MB");
    }
}
