//! The formats of a report, one file each; all of them show the same sections and figures.

mod card;
mod html;
mod json;
mod markdown;

pub(crate) use card::card;
pub(crate) use html::html;
pub(crate) use json::json;
pub(crate) use markdown::markdown;
