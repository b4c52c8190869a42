//! Which requests a figure is about: `{collection=products, phase=stress}`.

use std::fmt;
use std::str::FromStr;

use polars::prelude::{Expr, LazyFrame, col, lit};
use trace::Effect;
use trace::rules::nearest;

use crate::{Error, Result, Run};

/// Different values of a column that are told in one sentence.
const VALUES_SHOWN: usize = 12;

/// Which requests: those that have all the values that are given. The default is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// What is addressed.
    pub collection: Option<String>,
    /// The normalized verb.
    pub operation: Option<String>,
    /// The origin they went to.
    pub target: Option<String>,
    /// The segment of the profile.
    pub phase: Option<String>,
    /// `read`, `write`, `admin` or `control`.
    pub effect: Option<String>,
    /// The name of the unit of work they belong to.
    pub transaction: Option<String>,
}

/// A word of a scope, and what it stands for.
struct Key {
    name: &'static str,
    of: fn(&Scope) -> &Option<String>,
    of_mut: fn(&mut Scope) -> &mut Option<String>,
    /// The column of the outcomes; a member of a structure is `txn.name`.
    column: &'static str,
}

impl Key {
    fn expression(&self) -> Expr {
        match self.column.split_once('.') {
            Some((structure, member)) => col(structure).struct_().field_by_name(member),
            None => col(self.column),
        }
    }
}

/// Every word, in the order in which a scope is written.
const KEYS: [Key; 6] = [
    Key { name: "collection", of: |s| &s.collection, of_mut: |s| &mut s.collection, column: "collection" },
    Key { name: "operation", of: |s| &s.operation, of_mut: |s| &mut s.operation, column: "operation" },
    Key { name: "target", of: |s| &s.target, of_mut: |s| &mut s.target, column: "target" },
    Key { name: "phase", of: |s| &s.phase, of_mut: |s| &mut s.phase, column: "phase" },
    Key { name: "effect", of: |s| &s.effect, of_mut: |s| &mut s.effect, column: "effect" },
    Key { name: "transaction", of: |s| &s.transaction, of_mut: |s| &mut s.transaction, column: "txn.name" },
];

/// The words that requests can be told apart by, each with its column of the outcomes.
pub(crate) const WORDS: [(&str, &str); 6] = {
    let mut words = [("", ""); 6];
    let mut i = 0;
    while i < words.len() {
        words[i] = (KEYS[i].name, KEYS[i].column);
        i += 1;
    }
    words
};

impl Scope {
    /// All requests.
    pub const ALL: Self = Self { collection: None, operation: None, target: None, phase: None, effect: None, transaction: None };

    /// Whether it holds every request.
    #[must_use]
    pub fn is_all(&self) -> bool {
        *self == Self::ALL
    }

    /// True for rows that have every value; `None` where none is asked for.
    #[must_use]
    pub fn filter(&self) -> Option<Expr> {
        let wanted = self.words().map(|(key, value)| key.expression().eq(lit(value)).fill_null(lit(false)));
        wanted.reduce(Expr::and)
    }

    /// Narrowed by the words of another, which has the last say.
    #[must_use]
    pub fn and(&self, narrower: &Self) -> Self {
        let mut both = self.clone();
        for (key, value) in narrower.words() {
            *(key.of_mut)(&mut both) = Some(value.to_owned());
        }
        both
    }

    /// Adds a word, such as `collection`, with its value.
    ///
    /// # Errors
    /// A sentence when there is no such word, it is there already, or the value is none it can have.
    pub fn set(&mut self, name: &str, value: &str) -> std::result::Result<(), String> {
        let names = KEYS.map(|key| key.name);
        let key = KEYS.iter().find(|key| key.name == name).ok_or_else(|| {
            let meant = nearest(name, &names).map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
            format!("there is no `{name}` to choose requests by{meant}; there are {}", names.join(", "))
        })?;
        if value.is_empty() {
            return Err(format!("`{name}` has no value"));
        }
        if name == "effect" && Effect::parse(value).is_none() {
            let all: Vec<&str> = Effect::ALL.iter().map(|effect| effect.as_str()).collect();
            return Err(format!("`{value}` is no effect; there are {}", all.join(", ")));
        }
        match (key.of_mut)(self).replace(value.to_owned()) {
            None => Ok(()),
            Some(_) => Err(format!("`{name}` stands twice")),
        }
    }

    /// Says what there is, where the run holds no request of this scope.
    ///
    /// # Errors
    /// [`Error::Outcomes`] when a part is damaged.
    pub fn what_there_is(&self, run: &Run) -> Result<String> {
        for (key, value) in self.words() {
            let there = values(run, key)?;
            if !there.iter().any(|one| one == value) {
                return Ok(missing(key, value, &there));
            }
        }
        Ok(format!("no request of the run has all of {self}"))
    }

    /// The columns of the outcomes that must have a value, and which.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.words().map(|(key, value)| (key.column, value))
    }

    fn words(&self) -> impl Iterator<Item = (&'static Key, &str)> {
        KEYS.iter().filter_map(|key| Some((key, (key.of)(self).as_deref()?)))
    }
}

/// The different values of a column in a run, in alphabetical order.
fn values(run: &Run, key: &Key) -> Result<Vec<String>> {
    let distinct = |rows: LazyFrame| rows.select([key.expression().alias("value")]).group_by([col("value")]).agg([]);
    let mut all = Vec::new();
    for batch in run.scan(distinct)? {
        let batch = batch?;
        let column = batch.column("value").and_then(|values| Ok(values.str()?.clone()));
        let column = column.map_err(|e| Error::outcomes(&run.dir, e))?;
        all.extend(column.iter().flatten().filter(|value| !value.is_empty()).map(str::to_owned));
    }
    all.sort_unstable();
    Ok(all)
}

fn missing(key: &Key, value: &str, there: &[String]) -> String {
    let name = key.name;
    if there.is_empty() {
        return format!("the run's requests have no {name}, so none has `{value}`");
    }
    let names: Vec<&str> = there.iter().map(String::as_str).collect();
    let meant = nearest(value, &names).map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
    let more = names.len().saturating_sub(VALUES_SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let shown = names[..names.len().min(VALUES_SHOWN)].join(", ");
    format!("no request of the run has {name} `{value}`{meant}; there are {shown}{more}")
}

/// `{key=value,…}`, or nothing for all requests. What [`FromStr`] reads again.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut mark = '{';
        for (key, value) in self.words() {
            write!(f, "{mark}{}={}", key.name, quoted(value))?;
            mark = ',';
        }
        if mark == ',' { f.write_str("}") } else { Ok(()) }
    }
}

/// A value as it is written: bare where that is read the same again, else in double quotes, in which `\` keeps the next letter.
fn quoted(value: &str) -> String {
    let plain = !value.contains(['"', '\\', ',']) && braces_pair(value) && value.trim() == value;
    if plain { value.to_owned() } else { format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")) }
}

/// Whether each `{` is closed and each `}` opened: paths hold `{}` for what was an id in them.
fn braces_pair(value: &str) -> bool {
    let mut open = 0_usize;
    for c in value.chars() {
        match c {
            '{' => open += 1,
            '}' if open == 0 => return false,
            '}' => open -= 1,
            _ => {}
        }
    }
    open == 0
}

impl FromStr for Scope {
    type Err = String;

    /// `{key=value,…}`; `{}` and nothing at all are all requests. A value may stand in double quotes, and needs them where it holds a
    /// comma, a quote, or a brace without its other one.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        match Self::read(text)? {
            (scope, "") => Ok(scope),
            (_, rest) => Err(format!("`{rest}` stands after the scope's `}}`")),
        }
    }
}

impl Scope {
    /// Reads a scope at the start of `text`, which begins with `{`; returns it and what comes after its `}`.
    ///
    /// # Errors
    /// A sentence that names the part that could not be read.
    pub(crate) fn read(text: &str) -> std::result::Result<(Self, &str), String> {
        let shape = || format!("`{}` is no choice of requests; write {{collection=NAME,phase=NAME}}", text.trim());
        let mut rest = text.trim().strip_prefix('{').ok_or_else(shape)?.trim_start();
        let mut scope = Self::default();
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((scope, after.trim_start()));
        }
        loop {
            let (name, after) = rest.split_once('=').ok_or_else(shape)?;
            let (value, after) = value(after.trim_start()).ok_or_else(shape)?;
            scope.set(name.trim(), &value)?;
            rest = match after.trim_start() {
                after if after.starts_with(',') => &after[1..],
                after => return after.strip_prefix('}').map(|after| (scope, after.trim_start())).ok_or_else(shape),
            };
        }
    }
}

/// A value in quotes or bare, and what comes after it; `None` where it does not end.
fn value(text: &str) -> Option<(String, &str)> {
    if let Some(inside) = text.strip_prefix('"') {
        let mut value = String::new();
        let mut letters = inside.char_indices();
        while let Some((at, c)) = letters.next() {
            match c {
                '"' => return Some((value, &inside[at + 1..])),
                '\\' => value.push(letters.next()?.1),
                _ => value.push(c),
            }
        }
        return None;
    }
    let mut open = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            ',' | '}' if open == 0 => return Some((text[..at].trim_end().to_owned(), &text[at..])),
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scope(text: &str) -> Scope {
        text.parse().unwrap_or_else(|reason: String| panic!("{text}: {reason}"))
    }

    #[test]
    fn scopes_are_read() {
        let found = scope("{operation=POST /collections/{}/points/search, phase = stress}");
        assert_eq!(found.operation.as_deref(), Some("POST /collections/{}/points/search"));
        assert_eq!((found.phase.as_deref(), found.collection), (Some("stress"), None));
        assert_eq!(scope(r#"{collection="a,b}\"c\\"}"#).collection.as_deref(), Some(r#"a,b}"c\"#));
        assert!(scope("").is_all() && scope("{}").is_all() && scope(" { } ").is_all());
    }

    #[test]
    fn what_is_no_scope_is_told_in_one_sentence() {
        for (text, word) in [
            ("{colection=a}", "did you mean `collection`?"),
            ("{route=a}", "there are collection, operation, target, phase, effect, transaction"),
            ("{collection=}", "`collection` has no value"),
            ("{phase=a,phase=b}", "`phase` stands twice"),
            ("{effect=reed}", "`reed` is no effect; there are read, write"),
            ("{collection}", "write {collection=NAME,phase=NAME}"),
            ("{collection=a", "write {collection=NAME,phase=NAME}"),
            ("collection=a", "write {collection=NAME,phase=NAME}"),
            ("{collection=a} b", "`b` stands after"),
            ("{collection=\"a}", "write {collection=NAME,phase=NAME}"),
        ] {
            let said = text.parse::<Scope>().expect_err(text);
            assert!(said.contains(word), "{text}: {said}");
        }
    }

    #[test]
    fn the_narrower_scope_has_the_last_say() {
        let both = scope("{collection=a,phase=b}").and(&scope("{phase=c,effect=read}"));
        assert_eq!(both, scope("{collection=a,phase=c,effect=read}"));
    }

    proptest! {
        #[test]
        fn a_scope_is_read_as_it_was_written(values in prop::collection::vec(prop::option::of("[ -~éß]{1,12}"), 5), effect in any::<bool>()) {
            let mut wanted = Scope::default();
            for (key, value) in KEYS.iter().filter(|key| key.name != "effect").zip(values) {
                *(key.of_mut)(&mut wanted) = value;
            }
            wanted.effect = effect.then(|| "write".to_owned());
            prop_assert_eq!(wanted.to_string().parse::<Scope>(), Ok(wanted));
        }
    }
}
