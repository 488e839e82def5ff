//! How fast requests are acknowledged once they are durable, beside the least that could do it: a bare axum handler with
//! one durable insert. And a storm of alerts, worked off. `docs/benchmarks.md` says how to run it and how to read it.

#![allow(clippy::disallowed_methods)] // a benchmark has the environment, processes and time of its own

mod database;
mod floor;
mod load;
mod matrix;
mod product;
mod requests;
mod server;
mod storm;

use anyhow::Result;

/// A number from the environment, or what is usual.
fn setting(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// `serve KIND URL [SLACK]` is this program started again as a server; anything else measures.
fn main() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [role, kind, url, slack @ ..] = args.as_slice()
        && role == "serve"
    {
        return runtime.block_on(server::serve(kind.parse()?, url, slack.first().map(String::as_str)));
    }
    let only = args.iter().find(|arg| !arg.starts_with('-')).map(String::as_str);
    let cores = std::thread::available_parallelism()?;
    println!("cores: {cores}, profile: {}", if cfg!(debug_assertions) { "debug (meaningless)" } else { "release" });
    runtime.block_on(async {
        if only.is_none_or(|only| "matrix".contains(only)) {
            matrix::measure().await?;
        }
        if only.is_none_or(|only| "storm".contains(only)) {
            storm::measure().await?;
        }
        Ok(())
    })
}
