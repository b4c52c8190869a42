//! Straight lines between points; two points of one time make a jump.

use super::ProfileKind;
use super::piece::Stretch;

pub(super) const PROFILE: ProfileKind = ProfileKind {
    name: "piecewise",
    about: "straight lines between points, the first at 0s; two at one time make a jump",
    keys: &[],
    points: true,
    build: |given| {
        let points = &given.points;
        if points.len() < 2 || points[0].0 != 0 {
            return Err("wanted two points or more, the first at 0s, such as 0s=100,30s=500".to_owned());
        }
        if let Some(pair) = points.windows(2).find(|pair| pair[1].0 < pair[0].0) {
            let [earlier_s, later_s] = [pair[1].0, pair[0].0].map(|ns| ns as f64 / 1e9);
            return Err(format!("the point at {earlier_s} s stands after the one at {later_s} s; they have to be in order"));
        }
        let lines = points.windows(2).filter(|pair| pair[1].0 > pair[0].0);
        let line = |(number, pair): (usize, &[(i64, f64)])| {
            Stretch::line(format!("piece-{}", number + 1), pair[0].1, pair[1].1, Some(pair[1].0 - pair[0].0))
        };
        Ok(lines.enumerate().map(line).collect())
    },
};
