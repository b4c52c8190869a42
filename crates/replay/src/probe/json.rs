//! Numbers in a JSON document, such as Qdrant's `/telemetry`.

use serde_json::Value;

use super::fetch::Page;
use super::{Probe, ProbeKind, Sample};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "json",
    syntax: "json:URL[#/POINTER,/POINTER…]",
    about: "the numbers of a JSON document, at or below the pointers (RFC 6901), or all",
    open: |argument, setup| {
        let (url, pointers) = argument.split_once('#').unwrap_or((argument, ""));
        if !pointers.is_empty() && !pointers.starts_with('/') {
            return Err(format!("a JSON pointer begins with a slash: #/{pointers}"));
        }
        let pointers = pointers.split(",/").map(|pointer| pointer.trim_start_matches('/'));
        let pointers = pointers.map(|pointer| if pointer.is_empty() { String::new() } else { format!("/{pointer}") }).collect();
        Ok(Box::new(Document { page: Page::new(url, setup)?, pointers }))
    },
};

struct Document {
    page: Page,
    /// RFC 6901; the empty one is the whole document.
    pointers: Vec<String>,
}

impl Probe for Document {
    fn sample(&mut self, sample: &mut Sample) -> Result<(), String> {
        let document: Value = serde_json::from_slice(&self.page.get()?).map_err(|e| format!("its answer is not JSON ({e})"))?;
        for pointer in &self.pointers {
            let value = document.pointer(pointer).ok_or_else(|| format!("its answer has nothing at {pointer}"))?;
            numbers(pointer, value, sample);
        }
        Ok(())
    }
}

/// Every number at or below a place; booleans count as 0 and 1.
fn numbers(place: &str, value: &Value, sample: &mut Sample) {
    match value {
        Value::Number(number) => sample.gauge(place.to_owned(), "", number.as_f64().unwrap_or(f64::NAN)),
        Value::Bool(yes) => sample.gauge(place.to_owned(), "", f64::from(*yes)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(number, item)| numbers(&format!("{place}/{number}"), item, sample));
        }
        Value::Object(members) => {
            for (name, member) in members {
                numbers(&format!("{place}/{}", name.replace('~', "~0").replace('/', "~1")), member, sample);
            }
        }
        Value::Null | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_number_has_the_pointer_that_leads_to_it() {
        let document = json!({ "a": { "POST /x/~y": [1, { "b": 2.5 }], "t": "text", "up": true }, "n": null });
        let mut sample = Sample::default();
        numbers("", &document, &mut sample);
        let found: Vec<_> = sample.readings.iter().map(|reading| (reading.series.as_ref(), reading.value)).collect();
        assert_eq!(found, [("/a/POST ~1x~1~0y/0", 1.0), ("/a/POST ~1x~1~0y/1/b", 2.5), ("/a/up", 1.0)]);
        for (pointer, value) in found.iter().take(2) {
            assert_eq!(document.pointer(pointer).and_then(Value::as_f64), Some(*value));
        }
    }
}
