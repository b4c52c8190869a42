//! The notebooks: each runs on data made anew, and those that are kept are whole and say nothing of the machine they ran on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use rehearsal_tests::{binary, finish, json, python, root, text};
use serde_json::Value;

const NOTEBOOKS: [&str; 3] = ["explore-a-trace", "dissect-a-run", "compare-and-plan-capacity"];

/// Bytes of a kept notebook at most.
const BYTES_MAX: u64 = 1 << 20;

fn notebook(name: &str) -> PathBuf {
    root().join("notebooks").join(name).with_extension("ipynb")
}

fn code_cells(notebook: &Value) -> Vec<&Value> {
    notebook["cells"].as_array().expect("cells").iter().filter(|cell| cell["cell_type"] == "code").collect()
}

/// Text of a notebook's member that is one string or a list of lines.
fn joined(lines: &Value) -> String {
    match lines {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}

/// How many outputs of each kind there are, and all that they say.
fn outputs(notebook: &Value) -> (BTreeMap<String, usize>, String) {
    let (mut kinds, mut said) = (BTreeMap::new(), String::new());
    for output in code_cells(notebook).iter().filter_map(|cell| cell["outputs"].as_array()).flatten() {
        let of_type = output["output_type"].as_str().unwrap_or_default();
        let data = output["data"].as_object();
        let of_data = data.into_iter().flat_map(|data| data.keys()).map(String::as_str);
        for kind in of_data.chain([of_type]) {
            *kinds.entry(kind.to_owned()).or_default() += 1;
        }
        said += &joined(&output["text"]);
        data.into_iter().flatten().filter(|(kind, _)| kind.starts_with("text/")).for_each(|(_, text)| said += &joined(text));
    }
    (kinds, said)
}

const EXECUTE: &str = "
import sys, nbformat
from nbclient import NotebookClient
folder, *names = sys.argv[1:]
for name in names:
    notebook = nbformat.read(f'{folder}/{name}.ipynb', as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name='python3', resources={'metadata': {'path': folder}}).execute()
    print(name, sum('image/png' in output.get('data', {}) for cell in notebook.cells for output in cell.get('outputs', [])))
";

#[test]
fn every_notebook_runs_on_data_made_anew() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut make = Command::new(root().join("notebooks/make-data"));
    let made = finish(make.arg(&data).env("REHEARSAL_BIN", binary())).expect_code(0);
    assert!(made.out.contains("done: "), "{}", made.out);

    let mut execute = Command::new(python);
    execute.args(["-c", EXECUTE, text(&root().join("notebooks"))]).args(NOTEBOOKS);
    execute.env("NOTEBOOK_DATA", &data).env("IPYTHONDIR", dir.path().join("ipython"));
    let said = finish(&mut execute).expect_code(0).out;
    for (line, name) in said.lines().zip(NOTEBOOKS) {
        let charts: usize = line.strip_prefix(name).and_then(|count| count.trim().parse().ok()).expect("a count of charts");
        assert!(charts >= 4, "{name} drew {charts} charts");
    }
    assert_eq!(said.lines().count(), NOTEBOOKS.len(), "{said}");
}

#[test]
fn the_notebooks_that_are_kept_are_whole() {
    let around = format!("{}/", root().parent().expect("a checkout lies in a folder").display());
    for name in NOTEBOOKS {
        let path = notebook(name);
        let content = json(&path);
        assert!(path.metadata().unwrap().len() <= BYTES_MAX, "{name} is too large to be kept");
        let counts: Vec<u64> = code_cells(&content).iter().filter_map(|cell| cell["execution_count"].as_u64()).collect();
        let in_order: Vec<u64> = (1..=code_cells(&content).len() as u64).collect();
        assert_eq!(counts, in_order, "{name} was not executed from top to bottom");

        let (kinds, said) = outputs(&content);
        let count = |kind: &str| kinds.get(kind).copied().unwrap_or_default();
        assert!(count("image/png") >= 4 && count("text/markdown") >= 4 && count("text/html") >= 1, "{name}: {kinds:?}");
        assert_eq!((count("error"), count("stream")), (0, 0), "{name} holds an error or a warning");
        for place in ["/home/", "/root/", "/tmp/", &around, "/Users/", "/var/", "site-packages", "127.0.0.1"] {
            assert!(!said.contains(place), "{name} shows a place of the machine it ran on: {place}");
        }
        for variable in ["USER", "HOSTNAME"] {
            let word = std::env::var(variable).unwrap_or_default();
            assert!(word.len() < 4 || word == "root" || !said.contains(&word), "{name} names {word}");
        }
    }
}
