//! Offered rate over time, λ(t), and the recorded rate that it stands against.
//!
//! Arrivals are freed of rate by their own cumulative rate, uᵢ = Λ_rec(tᵢ), and due at Λ⁻¹(uᵢ) with Λ(t) = ∫λ: the time-rescaling
//! theorem (Brown et al. 2002, Neural Computation 14(2), theorem 1). A profile in × of recorded is the speed x(t) at which the recording
//! is run through: what was recorded at τ is due when ∫x dt = τ, so that λ(t) = x(t)·λ_rec(∫x dt), and ×1 is the identity.
//!
//! A new profile is one file, one `mod` line and one row in [`PROFILES`]: it says which keys it takes and of which stretches it is made;
//! everything else is the same for all of them.

mod constant;
mod curve;
mod parse;
mod piece;
mod piecewise;
mod ramp;
mod recorded;
mod sine;
mod soak;
mod spike;
mod steps;

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use trace::RunNs;

pub use curve::{Curve, CurveCounts, Repeats};
pub use parse::{Key, usage};

use crate::limits::{LEVELS_MAX, OTHER, PHASES_MAX, PIECES_MAX};
use parse::Given;
use piece::{Piece, Stretch};

/// What a profile's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Requests per second.
    Rate,
    /// Times as fast as recorded.
    Times,
    /// Users in a closed loop.
    Users,
}

impl Unit {
    /// Every unit.
    pub const ALL: [Self; 3] = [Self::Rate, Self::Times, Self::Users];

    /// As people write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Times => "x",
            Self::Users => "users",
        }
    }
}

/// One kind of profile: `NAME:UNIT,KEY=VALUE,…`.
pub struct ProfileKind {
    /// What people write.
    pub name: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
    /// The keys it takes.
    pub keys: &'static [Key],
    /// Whether it is made of points `TIME=VALUE` instead.
    pub points: bool,
    build: fn(&Given) -> Result<Vec<Stretch>, String>,
}

/// Every profile there is.
pub const PROFILES: &[ProfileKind] = &[
    recorded::PROFILE,
    constant::PROFILE,
    ramp::PROFILE,
    steps::PROFILE,
    spike::PROFILE,
    soak::PROFILE,
    sine::PROFILE,
    piecewise::PROFILE,
];

/// A value over time: requests per second, times as fast as recorded, or users. Pure; it knows no clock.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    text: String,
    unit: Unit,
    pieces: Vec<Piece>,
    phases: Vec<String>,
}

impl Profile {
    /// The recorded rate, run through so many times as fast.
    ///
    /// # Errors
    /// One sentence where that is no number above 0.
    pub fn recorded(times: f64) -> Result<Self, String> {
        Self::from_str(&format!("recorded:x,at={times}"))
    }

    /// So many requests per second for as long as there are some.
    ///
    /// # Errors
    /// One sentence where that is no number above 0.
    pub fn constant(per_s: f64) -> Result<Self, String> {
        Self::from_str(&format!("constant:rate,at={per_s}"))
    }

    fn new(text: String, unit: Unit, segments: Vec<Vec<Stretch>>) -> Result<Self, String> {
        let mut profile = Self { text, unit, pieces: Vec::new(), phases: Vec::new() };
        for (number, segment) in segments.into_iter().enumerate() {
            if profile.ends_at().is_none() && number > 0 {
                return Err(format!(
                    "segment {number} never ends, so that the next one never begins: say how long with for=TIME"
                ));
            }
            let before = profile.phases.len();
            segment.into_iter().filter(|stretch| stretch.length_ns != Some(0)).for_each(|stretch| profile.add(stretch, before));
        }
        profile.check()?;
        Ok(profile)
    }

    /// Adds a stretch of the segment whose phases begin at `before`. A name that an earlier segment took gets a number.
    fn add(&mut self, stretch: Stretch, before: usize) {
        let taken = |name: &str| self.phases[..before].iter().any(|known| known == name);
        let numbered = |number: usize| format!("{}#{number}", stretch.phase);
        let free = (2..).map(numbered).find(|name| !taken(name)).filter(|_| taken(&stretch.phase));
        let name = free.unwrap_or_else(|| stretch.phase.clone());
        if self.phases.last() != Some(&name) && self.phases.len() < PHASES_MAX {
            self.phases.push(if self.phases.len() + 1 == PHASES_MAX { OTHER.to_owned() } else { name });
        }
        let phase = self.phases.len() - 1;
        let (start_ns, before) = self.pieces.last().map_or((0, 0.0), |last| (last.end_ns, last.after()));
        self.pieces.push(Piece::new(&stretch, start_ns, before, phase));
    }

    fn check(&self) -> Result<(), String> {
        if self.pieces.len() > PIECES_MAX {
            return Err(format!("{} steps and points are more than the {PIECES_MAX} that a profile may have", self.pieces.len()));
        }
        if self.pieces.last().is_none_or(|last| last.after() <= 0.0) {
            return Err("it is 0 all the time, so that nothing would ever be sent".to_owned());
        }
        Ok(())
    }

    /// What its values are.
    #[must_use]
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// The value at `at`, in its unit: requests per second, times, users. 0 before run start and after its end.
    #[must_use]
    pub fn value_at(&self, at: RunNs) -> f64 {
        self.piece_at(at).filter(|piece| at.ns() < piece.end_ns).map_or(0.0, |piece| piece.value(at.ns()))
    }

    /// The integral of the value from run start to `at`, in units × ns: 10⁹ times the requests that are due until then, or the ns of the
    /// recording that are run through.
    #[must_use]
    pub fn cumulative(&self, at: RunNs) -> f64 {
        self.piece_at(at).map_or(0.0, |piece| piece.cumulative(at.ns()))
    }

    /// When the integral passes `amount`, in units × ns, to the nearest ns; a stretch of value 0 is jumped over. `None` where the profile
    /// ends before.
    #[must_use]
    pub fn inverse(&self, amount: f64) -> Option<RunNs> {
        let index = self.pieces.partition_point(|piece| piece.after() <= amount.max(0.0));
        self.pieces.get(index).map(|piece| RunNs(piece.inverse(amount.max(0.0))))
    }

    /// When it ends; `None` where it goes on for as long as there is something to send.
    #[must_use]
    pub fn ends_at(&self) -> Option<RunNs> {
        self.pieces.last().map(|last| RunNs(last.end_ns)).filter(|end| end.ns() < i64::MAX)
    }

    /// The phase of `at`, as a place in [`Profile::phases`]; after its end, the last one.
    #[must_use]
    pub fn phase_at(&self, at: RunNs) -> usize {
        self.piece_at(at).map_or(0, |piece| piece.phase)
    }

    /// Names of its phases, in order, no two alike: at most [`PHASES_MAX`].
    #[must_use]
    pub fn phases(&self) -> &[String] {
        &self.phases
    }

    /// When each phase begins.
    #[must_use]
    pub fn phase_starts(&self) -> Vec<RunNs> {
        let first = |phase: usize| self.pieces.iter().find(|piece| piece.phase == phase).map_or(0, |piece| piece.start_ns);
        (0..self.phases.len()).map(|phase| RunNs(first(phase))).collect()
    }

    /// Whether it has the same value all the time and no end.
    #[must_use]
    pub fn is_steady(&self) -> bool {
        self.pieces.len() == 1 && self.ends_at().is_none()
    }

    /// The largest value before `end`.
    #[must_use]
    pub fn peak(&self, end: RunNs) -> f64 {
        let reached = self.pieces.iter().take_while(|piece| piece.start_ns < end.ns());
        reached.map(|piece| piece.peak(end.ns())).fold(0.0, f64::max)
    }

    /// Its value in whole numbers, for users: each instant at which it changes, and to what; 0 at its end. A course that is not constant
    /// is cut into stretches whose number rises with what it moves, at most [`LEVELS_MAX`] over all.
    #[must_use]
    pub fn levels(&self) -> Vec<(RunNs, u32)> {
        let most = (LEVELS_MAX / self.pieces.len()).max(1);
        let mut levels: Vec<(RunNs, u32)> = self.pieces.iter().flat_map(|piece| piece.levels(most)).collect();
        levels.extend(self.ends_at().map(|end| (end, 0)));
        levels.dedup_by_key(|(_, level)| *level);
        levels
    }

    /// The piece that `at` lies in; the last one after the end, none before run start.
    fn piece_at(&self, at: RunNs) -> Option<&Piece> {
        let after = self.pieces.partition_point(|piece| piece.start_ns <= at.ns());
        self.pieces.get(after.checked_sub(1)?)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (unit, segments) = parse::segments(text)?;
        let written = parse::lines(text).collect::<Vec<_>>().join("+");
        Self::new(written, unit, segments)
    }
}

impl Serialize for Profile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
