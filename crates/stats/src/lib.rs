//! Statistics of traffic: arrivals, popularity, dispersion, order statistics, queueing. Pure functions and seeded generators.
//!
//! Nothing here names a clock, a socket or a file, and every random choice comes from a seed that is handed in.

pub mod arrivals;
mod counts;
pub mod distance;
pub mod fidelity;
pub mod fit;
mod moments;
pub mod order;
pub mod queueing;
mod rng;
pub mod traffic;
mod weights;
pub mod zipf;

pub use counts::Counts;
pub use rng::Rng;
pub use weights::Weights;
