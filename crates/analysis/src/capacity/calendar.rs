//! Months and days of the Gregorian calendar.

use crate::units;

/// The day, counted from 1970-01-01, so many months after another one: whole months go to the same day of the month, or its last where it is
/// shorter; the rest is a share of the month that then begins, rounded down to days.
pub(super) fn months_after(day: i64, months: f64) -> i64 {
    let whole = months.floor();
    let (from, to) = (whole_months_after(day, whole as i64), whole_months_after(day, whole as i64 + 1));
    from + ((to - from) as f64 * (months - whole)) as i64
}

fn whole_months_after(day: i64, months: i64) -> i64 {
    let (year, month, of_month) = units::civil(day);
    let month = year * 12 + month - 1 + months;
    let first = units::day(month.div_euclid(12), month.rem_euclid(12) + 1, 1);
    let next = units::day((month + 1).div_euclid(12), (month + 1).rem_euclid(12) + 1, 1);
    first + (of_month - 1).min(next - first - 1)
}

/// The day as `2026-11-20`.
pub(super) fn date(day: i64) -> String {
    let (year, month, of_month) = units::civil(day);
    format!("{year:04}-{month:02}-{of_month:02}")
}
