//! The formats of a report, one file each; all of them show the same sections and figures.

mod card;
mod csv;
mod html;
mod json;
mod markdown;
mod terminal;

pub(crate) use card::{card, targets};
pub(crate) use csv::csv;
pub(crate) use html::html;
pub(crate) use json::{document, is_current, json};
pub(crate) use markdown::markdown;
pub use terminal::{folded, table as terminal_table};
