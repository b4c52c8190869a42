//! What requests are that came before.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::{HttpRequest, RuleId, Rules};
use crate::{Effect, Name, Names};

/// Targets that are remembered.
const TARGETS_MAX: usize = 4096;

/// What a request is, as [`super::Classified`], with names that are shared.
#[derive(Debug, Clone)]
pub struct Class {
    /// What it addresses.
    pub collection: Name,
    /// The normalized verb.
    pub operation: Name,
    /// What it does to the target's state.
    pub effect: Effect,
    /// Records, vectors or rows in it.
    pub items: u32,
    /// For the answer.
    pub rule: Option<RuleId>,
}

/// Remembers what the targets of GET requests say: a page that is asked for again is the same thing again.
#[derive(Debug, Default)]
pub struct KnownTargets {
    known: HashMap<Box<str>, Class, RandomState>,
}

impl KnownTargets {
    /// Says what a request is, as [`Rules::classify`] does; `rules` are the same in all calls.
    pub fn classify(&mut self, rules: &Rules, request: &HttpRequest<'_>, names: &mut Names) -> Class {
        let by_target = request.method == "GET" && request.body.is_empty();
        if by_target && let Some(class) = self.known.get(request.target) {
            return class.clone();
        }
        let found = rules.classify(request);
        let (collection, operation) = (names.get(&found.collection), names.get(&found.operation));
        let class = Class { collection, operation, effect: found.effect, items: found.items, rule: found.rule };
        if by_target && self.known.len() < TARGETS_MAX && !rules.reads_headers(found.rule) {
            self.known.insert(request.target.into(), class.clone());
        }
        class
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::Header;
    use crate::rules::tests::loaded;

    /// A rule for which a header tells, and one for which the query does.
    const OWN: &str = r#"[{"system": "a", "match": ["GET /tenants/{}"], "collection": "header:x-tenant", "effect": "read"},
        {"system": "b", "match": ["GET /search"], "collection": "query:in", "effect": "read", "items": ["one"]}]"#;

    const TARGETS: &[&str] =
        &["/tenants/1", "/tenants/2", "/search?in=a", "/search?in=b", "/graphql?query=mutation{a}", "/a.B/Call", "/"];

    fn any_request() -> impl Strategy<Value = (&'static str, &'static str, &'static str, &'static str)> {
        (
            prop::sample::select(&["GET", "POST", "HEAD"][..]),
            prop::sample::select(TARGETS),
            prop::sample::select(&["", "body"][..]),
            prop::sample::select(&["one", "two", "application/grpc"][..]),
        )
    }

    proptest! {
        #[test]
        fn what_is_remembered_is_what_the_rules_say(requests in prop::collection::vec(any_request(), 1..60)) {
            let (rules, mut known, mut names) = (loaded(OWN).unwrap(), KnownTargets::default(), Names::default());
            for (method, target, body, value) in requests {
                let header = |name: &str| Header { name: name.into(), value: Bytes::from_static(value.as_bytes()) };
                let headers = [header("x-tenant"), header("content-type")];
                let request = HttpRequest { method, target, headers: &headers, body: body.as_bytes() };
                let (class, said) = (known.classify(&rules, &request, &mut names), rules.classify(&request));
                prop_assert_eq!((&*class.collection, &*class.operation), (&*said.collection, &*said.operation));
                prop_assert_eq!((class.effect, class.items, class.rule), (said.effect, said.items, said.rule));
            }
        }
    }
}
