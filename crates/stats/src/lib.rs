//! Statistics of traffic: arrivals, popularity, dispersion, order statistics, queueing. Pure functions and seeded generators.
//!
//! Nothing here names a clock, a socket or a file, and every random choice comes from a seed that is handed in.

pub mod agreement;
pub mod arrivals;
pub mod batch_means;
pub mod changepoint;
pub mod compare;
mod counts;
pub mod daily;
mod dependence;
pub mod distance;
pub mod fidelity;
pub mod fit;
pub mod knee;
mod linear;
mod moments;
pub mod order;
pub mod overload;
pub mod periodic;
pub mod probability;
pub mod queueing;
pub mod recovery;
pub mod regression;
mod rng;
mod sample;
pub mod search;
mod select;
pub mod share;
pub mod traffic;
pub mod trend;
pub mod usl;
pub mod warmup;
mod weights;
pub mod zipf;

pub use counts::Counts;
pub use rng::Rng;
pub use sample::{Interval, median};
pub use select::Ranked;
pub use weights::Weights;
