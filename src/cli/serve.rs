//! `sereno serve`: the production entry.

use std::path::Path;
use std::process::ExitCode;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Failure;
use super::args::{ConfigOptions, shell_words};
use super::failure::{AWAY, CONFIG};
use crate::app::App;
use crate::catalog::{self, Format};
use crate::clock::Clock;
use crate::config::{Config, Source};
use crate::telemetry;

/// Serves until SIGTERM or SIGINT.
pub async fn serve(options: ConfigOptions) -> Result<ExitCode, Failure> {
    let config = load(options.config.as_deref())?;
    telemetry::start(config.log_json, &config.log_level);
    for warning in &config.warnings {
        tracing::warn!(file = warning.file, line = warning.line, "{}", warning.message);
    }
    let app = App::build(&config, Source::here(options.config.as_deref()), Clock::System).await?;
    let listener = listen(&config.listen).await?;
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone());
    tracing::info!(
        listen = config.listen,
        url = config.settings.public_url,
        version = env!("CARGO_PKG_VERSION"),
        "serving"
    );
    app.run(listener, stop).await?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Reads the configuration, or says all that is wrong with it.
pub fn load(path: Option<&Path>) -> Result<Config, Failure> {
    load_from(&Source::here(path))
}

/// The same from wherever it is.
pub fn load_from(source: &Source) -> Result<Config, Failure> {
    source.load().map_err(|problems| {
        let text = catalog::render(&problems, Format::Text);
        Failure::new(CONFIG, text, shell_words().get("cli.hint_config"))
    })
}

/// Listens, or says why not.
pub async fn listen(address: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let words = shell_words();
        let message = words.say("cli.cannot_listen", minijinja::context! { address, error => error.to_string() });
        Failure::new(AWAY, message, words.get("cli.hint_listen"))
    })
}

/// Cancels `stop` at the first SIGTERM or SIGINT; at the second the process ends at once.
pub fn stop_on_signal(stop: CancellationToken) {
    tokio::spawn(async move {
        let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
            return;
        };
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        stop.cancel();
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        crate::executor::process::kill_all();
        std::process::exit(130);
    });
}
