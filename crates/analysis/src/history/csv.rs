//! A table of results as text (RFC 4180): one line a result, in the order in which they were made.

use std::path::Path;

use stats::changepoint::POINTS_MAX;
use stats::compare::Worse;

use super::{Entry, Figure, HistoryOptions, LeftOut, Point, Unit, unknown};
use crate::{Error, Result};

/// Bytes of a table.
const BYTES_MAX: u64 = 64 << 20;
/// What stands between the fields of a line, the first that the headings have.
const SEPARATORS: [char; 3] = ['\t', ';', ','];

/// The lines of a table. Without `--figure` every column but that of the time is one whose first field is a number.
pub(super) fn read(path: &Path, options: &HistoryOptions) -> Result<(Vec<Figure>, Vec<Entry>, Vec<LeftOut>)> {
    let empty = |reason: &str| Error::Empty { path: path.to_owned(), reason: reason.to_owned() };
    let failed = |e| Error::io("read", path, e);
    if std::fs::metadata(path).map_err(failed)?.len() > BYTES_MAX {
        return Err(empty("a table of results is at most 64 MiB"));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let table = Table::parse(&text).ok_or_else(|| empty("this is no folder of runs, and no table with headings and lines"))?;
    let time = if options.time.is_empty() { 0 } else { table.column("--time", &options.time)? };
    let by = options.by.iter().map(|name| table.column("--by", name)).collect::<Result<Vec<_>>>()?;
    let chosen = table.figures(options, time, &by)?;
    if chosen.is_empty() {
        return Err(empty("no column has numbers; --figure names one"));
    }
    let worse = if options.higher_is_better { Worse::Lower } else { Worse::Higher };
    let figure = |place: &usize| {
        let name = table.heads[*place].clone();
        Figure { title: name.clone(), name, unit: Unit::Plain, worse }
    };
    let names: Vec<usize> = (0..table.heads.len()).filter(|place| ![time].contains(place) && !table.is_number(*place)).collect();
    let entry = |(line, fields): (usize, &Vec<String>)| {
        let named: Vec<&str> = names.iter().filter(|place| !by.contains(place)).map(|place| fields[*place].as_str()).collect();
        Entry {
            order: (0, line),
            shared: by.iter().map(|place| (table.heads[*place].clone(), fields[*place].clone())).collect(),
            point: Point { when: fields[time].clone(), name: named.join(" "), notes: Vec::new() },
            values: chosen.iter().map(|place| fields[*place].trim().parse().ok().filter(|v: &f64| v.is_finite())).collect(),
        }
    };
    let entries = table.lines.iter().enumerate().map(entry).collect();
    Ok((chosen.iter().map(figure).collect(), entries, table.left_out))
}

struct Table {
    heads: Vec<String>,
    /// As many fields each as there are headings.
    lines: Vec<Vec<String>>,
    left_out: Vec<LeftOut>,
}

impl Table {
    /// Lines that begin with `#` before the first line of results are comments; the last of them holds the headings where no other
    /// line does.
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let commented = text.lines().take_while(|line| line.starts_with('#')).count();
        let named = text.lines().take(commented).last().map(|line| line.trim_start_matches('#'));
        let separator = |line: &str| SEPARATORS.into_iter().find(|separator| line.contains(*separator));
        let first = named.filter(|line| separator(line).is_some()).or_else(|| text.lines().nth(commented))?;
        let records = records(text, separator(first).unwrap_or(','));
        let mut records = records.into_iter().skip(commented).filter(|(_, fields)| fields.iter().any(|field| !field.is_empty()));
        let heads = match named.filter(|line| separator(line).is_some()) {
            Some(line) => records_of_line(line, separator(first)?),
            None => records.next()?.1,
        };
        let heads: Vec<String> = heads.into_iter().map(|head| head.trim().to_owned()).collect();
        let (mut lines, mut left_out) = (Vec::new(), Vec::new());
        for (number, fields) in records {
            if fields.len() == heads.len() && lines.len() < POINTS_MAX {
                lines.push(fields);
            } else {
                let reason = format!("it has {} fields, the headings {}", fields.len(), heads.len());
                left_out.push(LeftOut { name: format!("line {number}"), reason });
            }
        }
        (!lines.is_empty()).then_some(Self { heads, lines, left_out })
    }

    fn column(&self, option: &'static str, name: &str) -> Result<usize> {
        let known: Vec<&str> = self.heads.iter().map(String::as_str).collect();
        known.iter().position(|head| *head == name).ok_or_else(|| unknown(option, name, &known))
    }

    fn is_number(&self, place: usize) -> bool {
        self.lines[0][place].trim().parse::<f64>().is_ok()
    }

    fn figures(&self, options: &HistoryOptions, time: usize, by: &[usize]) -> Result<Vec<usize>> {
        if options.figures.is_empty() {
            let usual = |place: &usize| *place != time && !by.contains(place) && self.is_number(*place);
            return Ok((0..self.heads.len()).filter(usual).collect());
        }
        options.figures.iter().map(|name| self.column("--figure", name)).collect()
    }
}

fn records_of_line(line: &str, separator: char) -> Vec<String> {
    records(line, separator).into_iter().next().map(|(_, fields)| fields).unwrap_or_default()
}

/// Number of the line and fields of each record. A field in double quotes may hold separators, ends of lines, and quotes written twice.
fn records(text: &str, separator: char) -> Vec<(usize, Vec<String>)> {
    let (mut records, mut fields, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut line, mut begun) = (false, 1, 1);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        line += usize::from(c == '\n');
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' if quoted || field.is_empty() => quoted = !quoted,
            '\r' if !quoted && chars.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                fields.push(std::mem::take(&mut field));
                records.push((begun, std::mem::take(&mut fields)));
                begun = line;
            }
            _ if c == separator && !quoted => fields.push(std::mem::take(&mut field)),
            _ => field.push(c),
        }
    }
    if !field.is_empty() || !fields.is_empty() {
        fields.push(field);
        records.push((begun, fields));
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_in_quotes_hold_everything() {
        let found = records("a,\"b, \"\"c\"\"\nd\"\r\ne,\n", ',');
        let fields = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
        assert_eq!(found, [(1, fields(["a", "b, \"c\"\nd"])), (3, fields(["e", ""]))]);
    }

    #[test]
    fn headings_may_stand_in_the_last_comment() {
        let table = Table::parse("#made by x\n#Tag,p50,p99\nTag=a,1,2\nTag=b,3\n").expect("a table");
        assert_eq!(table.heads, ["Tag", "p50", "p99"]);
        assert_eq!((table.lines.len(), table.left_out.len()), (1, 1));
        assert!(Table::parse("").is_none() && Table::parse("time;value\n").is_none());
        assert_eq!(Table::parse("t;v,w\n1;2\n").expect("semicolons").heads, ["t", "v,w"]);
    }
}
