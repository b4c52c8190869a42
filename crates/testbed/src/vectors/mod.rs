//! A vector database in memory, with the part of Qdrant's REST interface that searches, fills and manages collections, over exact
//! nearest neighbours. Points have one vector, without a name.

mod filter;
mod id;
mod metric;
mod request;
mod routes;
mod search;
mod store;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hyper::StatusCode;
use serde_json::{Value, json};

pub use filter::{Filter, Payload};
pub use id::PointId;
pub use metric::Metric;
pub use search::{Hit, Wanted, nearest};
pub use store::{Collection, NewPoint, Point};

use crate::answer::{Answer, Call, Failure, Said, open_envelope};
use crate::common::App;
use crate::limits::{COLLECTIONS_MAX, STORE_BYTES_MAX};
use crate::metrics::{Page, escape_label};

/// The vector database as a server.
#[derive(Default)]
pub(crate) struct Vectors {
    collections: RwLock<BTreeMap<String, Arc<RwLock<Collection>>>>,
    /// Of all collections together.
    bytes: AtomicUsize,
}

impl Vectors {
    fn list(&self) -> Vec<(String, Arc<RwLock<Collection>>)> {
        let all = self.collections.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(name, collection)| (name.clone(), collection.clone())).collect()
    }

    fn find(&self, name: &str) -> Result<Arc<RwLock<Collection>>, Failure> {
        let all = self.collections.read().unwrap_or_else(PoisonError::into_inner);
        all.get(name).cloned().ok_or_else(|| Failure::not_found(format_args!("Collection `{name}` doesn't exist!")))
    }

    fn create(&self, name: &str, collection: Collection) -> Result<(), Failure> {
        let mut all = self.collections.write().unwrap_or_else(PoisonError::into_inner);
        if all.contains_key(name) {
            return Err(Failure::new(StatusCode::CONFLICT, format!("Wrong input: Collection `{name}` already exists!")));
        }
        if all.len() >= COLLECTIONS_MAX {
            return Err(Failure::wrong_input(format_args!("the testbed holds at most {COLLECTIONS_MAX} collections")));
        }
        all.insert(name.to_owned(), Arc::new(RwLock::new(collection)));
        Ok(())
    }

    /// Whether it was there.
    fn remove(&self, name: &str) -> bool {
        let removed = self.collections.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        if let Some(collection) = &removed {
            self.bytes.fetch_sub(read(collection).bytes(), Relaxed);
        }
        removed.is_some()
    }

    /// Changes a collection and keeps the books on its size.
    fn change<T>(&self, collection: &RwLock<Collection>, change: impl FnOnce(&mut Collection) -> T) -> T {
        let mut collection = write(collection);
        let before = collection.bytes();
        let done = change(&mut collection);
        self.bytes.fetch_add(collection.bytes().wrapping_sub(before), Relaxed);
        done
    }

    fn refuse_beyond_memory(&self, points: &[NewPoint]) -> Result<(), Failure> {
        let new: usize = points.iter().map(NewPoint::weight_bytes).sum();
        if self.bytes.load(Relaxed).saturating_add(new) <= STORE_BYTES_MAX {
            return Ok(());
        }
        let message = format!("Insufficient storage: the testbed holds at most {STORE_BYTES_MAX} bytes of points");
        Err(Failure::new(StatusCode::INSUFFICIENT_STORAGE, message))
    }
}

fn read(collection: &RwLock<Collection>) -> RwLockReadGuard<'_, Collection> {
    collection.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(collection: &RwLock<Collection>) -> RwLockWriteGuard<'_, Collection> {
    collection.write().unwrap_or_else(PoisonError::into_inner)
}

impl App for Vectors {
    fn answer(&self, call: &Call<'_>, now_ns: i64) -> Answer {
        let Some((route, parameters)) = routes::find(call) else {
            return Answer { endpoint: "none", said: Err(Failure::no_route(call)), at_ns: now_ns };
        };
        let mut out = open_envelope();
        let said = (route.run)(self, call, &parameters, &mut out).map(|()| Said::Result(out));
        Answer { endpoint: route.template, said, at_ns: now_ns }
    }

    fn title(&self) -> &'static str {
        "rehearsal testbed - vector search"
    }

    fn metrics(&self, _now_ns: i64, page: &mut Page) {
        let collections = self.list();
        page.single("collections_total", "gauge", "Collections", collections.len());
        page.single("points_bytes", "gauge", "Memory of all points, roughly", self.bytes.load(Relaxed));
        page.family("collection_vectors", "gauge", "Vectors by collection");
        for (name, collection) in &collections {
            page.sample("collection_vectors", &format!("collection=\"{}\"", escape_label(name)), read(collection).count());
        }
    }

    fn telemetry(&self, _now_ns: i64) -> (&'static str, Value) {
        let collections: Vec<_> =
            self.list().iter().map(|(name, collection)| json!({ "id": name, "vectors": read(collection).count() })).collect();
        ("collections", json!({ "number_of_collections": collections.len(), "collections": collections }))
    }
}
