//! The fake Slack, to use by hand: real time, and a page to act in.

use std::process::ExitCode;

use sereno_fakes::Clock;
use sereno_fakes::slack::{ENDPOINTS, Setup, Slack};

const USAGE: &str = "\
A fake Slack on loopback, stateful and strict.

fake-slack [--port PORT] [--http URL]… [--no-rate-limits]

--port PORT         listen here; any free port unless said
--http URL          deliver by signed HTTP to URL/slack/commands, /slack/interactions, /slack/events; several
                    take turns; without it, deliver by Socket Mode
--no-rate-limits    take calls as fast as they come

It prints its addresses, tokens and signing secret. What can be done by hand:
";

#[tokio::main]
async fn main() -> ExitCode {
    let (mut port, mut urls, mut limits) = (0, Vec::new(), true);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match (word.as_str(), words.len()) {
            ("--port", 1..) => port = words.next().and_then(|port| port.parse().ok()).unwrap_or(0),
            ("--http", 1..) => urls.extend(words.next()),
            ("--no-rate-limits", _) => limits = false,
            (other, _) => {
                println!("{USAGE}\n{ENDPOINTS}");
                return if other == "--help" { ExitCode::SUCCESS } else { ExitCode::FAILURE };
            }
        }
    }
    let mut setup = Setup::at(Clock::system()).port(port).with(|world| world.rates.on = limits);
    if !urls.is_empty() {
        setup = setup.http(&urls.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let slack = match Slack::start(setup).await {
        Ok(slack) => slack,
        Err(error) => {
            eprintln!("cannot listen on port {port}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let app = slack.with(|world| world.app.clone());
    println!("page            {}/", slack.url());
    println!("Web API         {}", slack.api_url());
    println!("bot token       {}", app.bot_token);
    println!("app token       {}", app.app_token);
    println!("signing secret  {}", app.signing_secret);
    std::future::pending().await
}
