//! The command line: what may be typed at a shell, and with which exit code it ends. 0 done; 1 it did not work out;
//! 2 typed wrongly; 3 not allowed, or approval is needed; 69 a server or database is away; 78 a file is wrong.

mod args;
mod audit;
mod check;
mod client;
mod demo;
mod doctor;
mod failure;
mod manifest;
mod render;
mod run;
mod serve;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
pub use failure::Failure;

/// Does as told.
pub async fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.command {
        Command::Serve(options) => serve::serve(options).await,
        Command::Demo(options) => demo::demo(options).await,
        Command::Check(options) => check::check(&options),
        Command::Run(options) => run::run(options).await,
        Command::Why(options) => run::why(&options).await,
        Command::Say(options) => client::say(options).await,
        Command::Press(options) => client::press(options).await,
        Command::Thread(options) => client::thread(options).await,
        Command::Audit(options) => audit::audit(options).await,
        Command::Schema(options) => check::schema(&options),
        Command::Manifest(options) => manifest::manifest(&options),
        Command::Doctor(options) => doctor::doctor(options).await,
        Command::DemoShop { address, dir } => demo::shop(&address, dir).await,
    };
    match done {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.code)
        }
    }
}
