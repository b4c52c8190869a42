//! Instants, each in integer nanoseconds from its own origin, so that the two can never be mixed.

use std::ops::{Add, Sub};

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
