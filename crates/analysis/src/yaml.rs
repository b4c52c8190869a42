//! YAML as far as files of thresholds and of known changes need it: maps, lists and texts, each with its place, so that what is wrong can be
//! pointed at.

use saphyr_parser::{Event, Marker, Parser};

/// Levels of maps and lists within one another.
const DEPTH_MAX: usize = 8;

/// A value of a file and where it begins.
pub(crate) struct Node {
    at: Marker,
    pub content: Content,
}

/// What a value is.
pub(crate) enum Content {
    Text(String),
    Map(Vec<(Node, Node)>),
    List(Vec<Node>),
}

impl Node {
    /// A sentence with the place in front.
    pub fn wrong(&self, reason: impl std::fmt::Display) -> String {
        format!("line {}, column {}: {reason}", self.at.line(), self.at.col() + 1)
    }

    /// The text; `what` was wanted.
    pub fn text(&self, what: &str) -> std::result::Result<&str, String> {
        if let Content::Text(text) = &self.content { Ok(text) } else { Err(self.wrong(format!("wanted {what}"))) }
    }

    /// Keys and values; `what` was wanted.
    pub fn map(&self, what: &str) -> std::result::Result<&[(Self, Self)], String> {
        match &self.content {
            Content::Map(pairs) => Ok(pairs),
            // A key with nothing after it.
            Content::Text(text) if text.is_empty() || text == "~" || text == "null" => Ok(&[]),
            _ => Err(self.wrong(format!("wanted {what}"))),
        }
    }
}

/// The one document of a file; an empty file has an empty map.
pub(crate) fn document(text: &str) -> std::result::Result<Node, String> {
    let mut events = Parser::new_from_str(text);
    let mut read: Option<Node> = None;
    loop {
        let (event, span) = match events.next() {
            None => break,
            Some(Ok(next)) => next,
            Some(Err(e)) => return Err(format!("line {}, column {}: {}", e.marker().line(), e.marker().col() + 1, e.info())),
        };
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
            event => {
                let node = node(event, span.start, &mut events, 0)?;
                if read.is_some() {
                    return Err(node.wrong("a second document; one file holds one"));
                }
                read = Some(node);
            }
        }
    }
    Ok(read.unwrap_or(Node { at: Marker::new(0, 1, 0), content: Content::Map(Vec::new()) }))
}

type Events<'a> = Parser<'a, saphyr_parser::StrInput<'a>>;

/// The value that an event begins.
fn node(event: Event<'_>, at: Marker, events: &mut Events<'_>, depth: usize) -> std::result::Result<Node, String> {
    let place = Node { at, content: Content::Text(String::new()) };
    if depth > DEPTH_MAX {
        return Err(place.wrong("this is nested too deeply"));
    }
    let content = match event {
        Event::Scalar(text, ..) => Content::Text(text.into_owned()),
        Event::SequenceStart(..) => {
            let mut list = Vec::new();
            while let Some(item) = next(events, depth)? {
                list.push(item);
            }
            Content::List(list)
        }
        Event::MappingStart(..) => {
            let mut pairs: Vec<(Node, Node)> = Vec::new();
            while let Some(key) = next(events, depth)? {
                let name = key.text("a key")?;
                if pairs.iter().any(|(other, _)| matches!(&other.content, Content::Text(text) if text == name)) {
                    return Err(key.wrong(format!("`{name}` stands twice")));
                }
                let value = next(events, depth)?.ok_or_else(|| key.wrong("a key without a value"))?;
                pairs.push((key, value));
            }
            Content::Map(pairs)
        }
        _ => return Err(place.wrong("references (*name) are not read here; write the value out")),
    };
    Ok(Node { at, content })
}

/// The next value of a map or list; `None` at its end.
fn next(events: &mut Events<'_>, depth: usize) -> std::result::Result<Option<Node>, String> {
    match events.next() {
        Some(Ok((Event::MappingEnd | Event::SequenceEnd, _))) | None => Ok(None),
        Some(Ok((event, span))) => node(event, span.start, events, depth + 1).map(Some),
        Some(Err(e)) => Err(format!("line {}, column {}: {}", e.marker().line(), e.marker().col() + 1, e.info())),
    }
}
