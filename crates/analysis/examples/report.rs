//! Reports on a run: `cargo run --release -p rehearsal-analysis --example report -- DIR`.

use std::io::Write;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args().nth(1).ok_or("wanted: DIR")?;
    let report = analysis::report(Path::new(&dir), &analysis::ReportOptions::default())?;
    std::io::stdout().write_all(report.overview.terminal().as_bytes())?;
    Ok(())
}
