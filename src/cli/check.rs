//! `sereno check` and `sereno schema`.

use std::path::Path;
use std::process::ExitCode;

use minijinja::context;

use super::Failure;
use super::args::{CheckOptions, SchemaOptions, shell_words};
use super::failure::CONFIG;
use super::serve::load;
use crate::catalog::{self, Format};
use crate::config;
use crate::problem::Problem;

/// Checks everything at once.
pub fn check(options: &CheckOptions) -> Result<ExitCode, Failure> {
    let mut config = load(options.config.config.as_deref())?;
    let words = shell_words();
    config.settings.language = words.0; // who reads this sits at a shell, and not in a channel
    let format = match options.format.as_str() {
        "json" => Format::Json,
        "github" => Format::Github,
        _ => Format::Text,
    };
    let paths = if options.paths.is_empty() { vec![config.catalog.clone()] } else { options.paths.clone() };
    let mut problems: Vec<Problem> = Vec::new();
    let mut sound = 0;
    for path in &paths {
        match check_one(path, &config) {
            Ok(count) => sound += count,
            Err(found) => problems.extend(found),
        }
    }
    if matches!(format, Format::Text) {
        for warning in &config.warnings {
            eprintln!("{}: {warning}", words.get("cli.doctor_warning"));
        }
    }
    let report = catalog::render(&problems, format);
    if problems.is_empty() {
        if options.format == "json" {
            println!("{report}");
        } else {
            println!("{}", words.say("cli.all_sound", context! { count => sound }));
        }
        return Ok(ExitCode::SUCCESS);
    }
    println!("{report}");
    if options.format == "text" {
        eprintln!("{}", words.say("cli.problems", context! { count => problems.len() }));
    }
    Ok(ExitCode::from(CONFIG))
}

fn check_one(path: &Path, config: &config::Config) -> Result<usize, Vec<Problem>> {
    catalog::check_path(path, &config.catalog, &config.settings).map(|catalog| catalog.all().count())
}

/// Prints a JSON Schema.
pub fn schema(options: &SchemaOptions) -> Result<ExitCode, Failure> {
    let schema = match options.what.as_str() {
        "config" => config::schema(),
        "pack" => catalog::pack_schema(),
        _ => catalog::schema(),
    };
    println!("{}", serde_json::to_string_pretty(&schema).map_err(anyhow::Error::from)?);
    Ok(ExitCode::SUCCESS)
}
