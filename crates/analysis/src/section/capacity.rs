//! What the target can bear.

use super::{Block, Material};
use crate::capacity::blocks;

pub(super) fn build(material: Material<'_>) -> Vec<Block> {
    material.analysis.capacity.as_ref().map(blocks).unwrap_or_default()
}
