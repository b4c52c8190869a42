//! A list of fields in one piece of memory.

use super::LIST_BYTES_MAX;
use super::table::ENTRY_OVERHEAD_BYTES;

/// Where a field lies in [`Fields::text`]. It begins where the one before it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldPlace {
    /// End of the name, and start of the value.
    pub name_end: usize,
    /// End of the value.
    pub value_end: usize,
    /// The sender asked that it is never put into a table: most likely a secret (RFC 7541 §7.1.3).
    pub never_indexed: bool,
}

/// Decoded fields in the order in which they were sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    /// Names and values, one after the other.
    pub text: Vec<u8>,
    /// Where each field lies in it.
    pub places: Vec<FieldPlace>,
    /// Fields that refer to entries which are not known: their names, or names and values, are empty.
    pub unknown: u32,
    /// Whether fields were left out, because the list is longer than [`LIST_BYTES_MAX`] or because its block cannot be decoded.
    pub cut: bool,
    /// End of the name of the field under way.
    name_end: usize,
}

impl Fields {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.places.iter().map(move |place| {
            let name = &self.text[start..place.name_end];
            start = place.value_end;
            (name, &self.text[place.name_end..place.value_end])
        })
    }

    /// The value of the first field of this name, which is to be in lower case.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub(super) fn end_name(&mut self) {
        self.name_end = self.text.len();
    }

    pub(super) fn end_field(&mut self, never_indexed: bool) {
        self.places.push(FieldPlace { name_end: self.name_end, value_end: self.text.len(), never_indexed });
    }

    /// Takes back what is beyond the limit, or belongs to no whole field.
    pub(super) fn keep_limit(&mut self) {
        if self.text.len() + ENTRY_OVERHEAD_BYTES * self.places.len() > LIST_BYTES_MAX {
            self.places.pop();
            self.cut = true;
        }
        self.text.truncate(self.places.last().map_or(0, |place| place.value_end));
    }
}
