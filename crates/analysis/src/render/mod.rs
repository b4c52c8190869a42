//! The formats of a report, one file each; all of them show the same sections and figures.

mod card;
mod csv;
mod html;
mod json;
mod markdown;

pub(crate) use card::card;
pub(crate) use csv::csv;
pub(crate) use html::html;
pub(crate) use json::json;
pub(crate) use markdown::markdown;
