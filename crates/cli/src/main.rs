//! The `rehearsal` command: words in, one verb's data flow, an exit code out.
//!
//! Exit codes: 0 fine · 1 a finding (threshold missed, regression, invalid run) · 2 could not do it.

mod capacity;
mod comparison;
mod failure;
mod interrupt;
mod output;
mod parse;
mod rate;
mod selection;
mod thresholds;
mod traffic;
mod verb;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser};

use crate::failure::Failure;

/// Rehearse production traffic before production does: record or synthesize request traces, replay them at any rate with their
/// timing kept, and learn what the target can bear.
#[derive(Parser)]
#[command(
    after_help = "`rehearsal help VERB` shows an example that works as typed. Every option is also an environment variable: --max-rate is\nREHEARSAL_MAX_RATE.\nExit codes: 0 fine, 1 a finding (failed or invalid run), 2 could not do it."
)]
#[command(name = "rehearsal", version, max_term_width = 100, arg_required_else_help = true, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    verb: verb::Verb,
}

fn main() -> ExitCode {
    let matches = with_environment(Cli::command()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match verb::run(cli.verb) {
        Ok(code) => code.into(),
        Err(Failure::PipeClosed) => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&format!("rehearsal: {failure}"));
            ExitCode::from(2)
        }
    }
}

/// Gives every option of every verb its `REHEARSAL_*` variable, named after the option.
fn with_environment(command: clap::Command) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    let command = command.mut_args(|arg| {
        let variable = arg.get_long().map(|long| format!("REHEARSAL_{}", long.replace('-', "_").to_uppercase()));
        match variable {
            // One short string an option and process: it lives as long as the command line does.
            Some(variable) if !["help", "version"].contains(&arg.get_id().as_str()) => arg.env(&*variable.leak()).hide_env(true),
            _ => arg,
        }
    });
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, with_environment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        with_environment(Cli::command()).debug_assert();
    }

    #[test]
    fn every_option_has_its_variable_and_every_verb_an_example() {
        let command = with_environment(Cli::command());
        for verb in command.get_subcommands() {
            for arg in verb.get_arguments().filter(|arg| arg.get_long().is_some() && arg.get_id() != "help") {
                let variable = arg.get_env().and_then(|name| name.to_str()).unwrap_or("");
                assert!(variable.starts_with("REHEARSAL_"), "{} {}: {variable:?}", verb.get_name(), arg.get_id());
            }
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("rehearsal "), "help of {} shows no example", verb.get_name());
        }
    }
}
