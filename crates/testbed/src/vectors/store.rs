//! A collection in memory: vectors side by side, payloads beside them, ids in order.

use std::collections::BTreeMap;

use serde_json::Value;

use super::filter::Payload;
use super::id::PointId;
use super::metric::Metric;

/// A collection of points. A point's place in memory is its slot; slots change when points are deleted.
#[derive(Debug)]
pub struct Collection {
    /// How near vectors are.
    pub metric: Metric,
    /// Components of a vector.
    pub dimension: usize,
    /// `dimension` components a slot.
    vectors: Vec<f32>,
    points: Vec<Point>,
    slots: BTreeMap<PointId, usize>,
    operations: u64,
    bytes: usize,
}

/// What a slot holds beside its vector.
#[derive(Debug)]
pub struct Point {
    /// Its id.
    pub id: PointId,
    /// The operation that wrote it last.
    pub version: u64,
    /// Its payload.
    pub payload: Payload,
    bytes: usize,
}

/// A point to be written.
#[derive(Debug)]
pub struct NewPoint {
    /// Its id; a point that has it already is replaced.
    pub id: PointId,
    /// Its vector, of the collection's dimension.
    pub vector: Vec<f32>,
    /// Its payload.
    pub payload: Payload,
}

impl NewPoint {
    /// What it will take in memory, roughly, in bytes.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        const ENTRY_BYTES: usize = 64;
        let payload: usize = self.payload.iter().map(|(key, value)| ENTRY_BYTES + key.len() + weight_bytes(value)).sum();
        size_of::<Point>() + ENTRY_BYTES + size_of_val(self.vector.as_slice()) + payload
    }
}

fn weight_bytes(value: &Value) -> usize {
    const ENTRY_BYTES: usize = 64;
    let inner = match value {
        Value::String(text) => text.len(),
        Value::Array(elements) => elements.iter().map(weight_bytes).sum(),
        Value::Object(entries) => entries.iter().map(|(key, value)| ENTRY_BYTES + key.len() + weight_bytes(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    size_of::<Value>() + inner
}

impl Collection {
    /// An empty collection.
    #[must_use]
    pub fn new(metric: Metric, dimension: usize) -> Self {
        Self { metric, dimension, vectors: Vec::new(), points: Vec::new(), slots: BTreeMap::new(), operations: 0, bytes: 0 }
    }

    /// Writes points, whose vectors have the collection's dimension, and says which operation it was.
    pub fn upsert(&mut self, points: Vec<NewPoint>) -> u64 {
        let version = self.begin();
        for new in points {
            self.write(new, version);
        }
        version
    }

    fn write(&mut self, new: NewPoint, version: u64) {
        let bytes = new.weight_bytes();
        let NewPoint { id, mut vector, payload } = new;
        self.metric.prepare(&mut vector);
        let point = Point { id, version, payload, bytes };
        self.bytes += bytes;
        if let Some(&slot) = self.slots.get(&id) {
            self.vectors[slot * self.dimension..][..self.dimension].copy_from_slice(&vector);
            self.bytes -= std::mem::replace(&mut self.points[slot], point).bytes;
        } else {
            self.slots.insert(id, self.points.len());
            self.vectors.extend_from_slice(&vector);
            self.points.push(point);
        }
    }

    /// Deletes the points that are there, and says which operation it was.
    pub fn delete(&mut self, ids: &[PointId]) -> u64 {
        let version = self.begin();
        for slot in ids.iter().filter_map(|id| self.slots.remove(id)).collect::<Vec<_>>() {
            self.points[slot].version = DELETED;
        }
        self.drop_deleted();
        version
    }

    /// Closes the gaps, keeping the order of the points that stay.
    fn drop_deleted(&mut self) {
        let mut next = 0;
        for slot in 0..self.points.len() {
            if self.points[slot].version == DELETED {
                self.bytes -= self.points[slot].bytes;
                continue;
            }
            if next < slot {
                self.points.swap(next, slot);
                self.vectors.copy_within(slot * self.dimension..(slot + 1) * self.dimension, next * self.dimension);
                self.slots.insert(self.points[next].id, next);
            }
            next += 1;
        }
        self.points.truncate(next);
        self.vectors.truncate(next * self.dimension);
    }

    /// An operation that changes no point, such as the making of an index: its number.
    pub fn begin(&mut self) -> u64 {
        self.operations += 1;
        self.operations - 1
    }

    /// How many points there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.points.len()
    }

    /// What the points take in memory, roughly, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The slot of a point.
    #[must_use]
    pub fn slot(&self, id: PointId) -> Option<usize> {
        self.slots.get(&id).copied()
    }

    /// What a slot holds.
    #[must_use]
    pub fn point(&self, slot: usize) -> &Point {
        &self.points[slot]
    }

    /// The vector of a slot, as it is stored.
    #[must_use]
    pub fn vector(&self, slot: usize) -> &[f32] {
        &self.vectors[slot * self.dimension..][..self.dimension]
    }

    /// All vectors in the order of their slots.
    pub fn vectors(&self) -> impl Iterator<Item = &[f32]> {
        self.vectors.chunks_exact(self.dimension)
    }

    /// The slots in the order of their ids, from an id on.
    pub fn slots_from(&self, from: PointId) -> impl Iterator<Item = usize> {
        self.slots.range(from..).map(|(_, slot)| *slot)
    }
}

/// The version of a point that is about to go; no operation comes to bear this number.
const DELETED: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn new_point(id: u64, x: f32) -> NewPoint {
        let payload = serde_json::from_value(serde_json::json!({ "x": x })).unwrap();
        NewPoint { id: PointId::Number(id), vector: vec![x, -x], payload }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn writes_and_deletes_in_any_order_leave_what_a_map_would_hold(
            steps in prop::collection::vec((any::<bool>(), prop::collection::vec((0_u64..20, -9_i16..9), 0..12)), 0..12),
        ) {
            let mut collection = Collection::new(Metric::Dot, 2);
            let mut model = BTreeMap::new();
            for (writes, batch) in steps {
                if writes {
                    model.extend(batch.iter().map(|(id, x)| (*id, f32::from(*x))));
                    collection.upsert(batch.iter().map(|(id, x)| new_point(*id, f32::from(*x))).collect());
                } else {
                    model.retain(|id, _| batch.iter().all(|(gone, _)| gone != id));
                    collection.delete(&batch.iter().map(|(id, _)| PointId::Number(*id)).collect::<Vec<_>>());
                }
            }
            let held: Vec<_> = collection.slots_from(PointId::Number(0)).map(|slot| {
                assert_eq!(collection.slot(collection.point(slot).id), Some(slot));
                assert_eq!(collection.point(slot).payload["x"], f64::from(collection.vector(slot)[0]));
                (collection.point(slot).id, collection.vector(slot).to_vec())
            }).collect();
            let wanted: Vec<_> = model.iter().map(|(id, x)| (PointId::Number(*id), vec![*x, -x])).collect();
            let wanted_bytes: usize = model.iter().map(|(id, x)| new_point(*id, *x).weight_bytes()).sum();
            prop_assert_eq!(held, wanted);
            prop_assert_eq!(collection.count(), model.len());
            prop_assert_eq!(collection.vectors().count(), model.len());
            prop_assert_eq!(collection.bytes(), wanted_bytes);
        }
    }
}
