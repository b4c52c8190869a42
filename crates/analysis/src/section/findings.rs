//! What was found, in words.

use super::{Block, Material};

pub(super) fn build(_: Material<'_>) -> Vec<Block> {
    vec![Block::Findings]
}
