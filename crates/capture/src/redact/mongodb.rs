//! Secrets in messages of MongoDB: values of members with a secret name. What was packed is unpacked where something is masked.

use bytes::Bytes;
use trace::{Exchange, Flag};
use wire::mongodb::{rewritten, unpack};

use super::Mask;
use super::names::is_secret_member;

/// Masks a row; whether there was anything to mask. What cannot be read is not kept.
pub(super) fn mask(mask: &mut Mask, row: &mut Exchange) -> bool {
    let mut changed = false;
    for is_request in [true, false] {
        let message = if is_request { &mut row.request } else { &mut row.response };
        let Some(bytes) = message.as_ref() else { continue };
        match masked(mask, bytes) {
            Some(None) => continue,
            Some(Some(new)) => *message = Some(Bytes::from(new)),
            None => {
                *message = None;
                if is_request {
                    row.flags.set(Flag::Unreplayable);
                }
            }
        }
        changed = true;
    }
    changed
}

/// The message with its secrets masked; the inner `None` where there were none, the outer where it cannot be read.
fn masked(mask: &mut Mask, message: &[u8]) -> Option<Option<Vec<u8>>> {
    let plain = unpack(message)?;
    let mut found = false;
    // What a cluster signs its time with says who nobody is.
    let is_secret = |name: &str| name != "signature" && is_secret_member(name.as_bytes());
    let new = rewritten(&plain, is_secret, |value| {
        found = true;
        mask.pseudonym("mongodb", value)
    })?;
    Some(found.then_some(new))
}
