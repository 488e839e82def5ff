//! The product as a server of the benchmark: the same parts as `sereno serve`, on a configuration with one person and
//! several alert sources.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Result, anyhow};
use sereno::app::App;
use sereno::clock::Clock;
use sereno::config::{Config, Source};
use sereno::http;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::requests::{SECRET, SIGNING, SOURCES, TOKEN};

/// Serves; with the engine's loops, or only the doors.
pub async fn serve(listener: TcpListener, url: &str, slack: Option<&str>, loops: bool) -> Result<()> {
    let config = config(url, slack)?;
    let app = App::build(&config, Source::here(None), Clock::System).await?;
    let stop = CancellationToken::new();
    if loops { app.run(listener, stop).await } else { Ok(http::serve(listener, app.http, stop).await?) }
}

fn config(url: &str, slack: Option<&str>) -> Result<Config> {
    let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("commands");
    let mut text = format!(
        "store: {{ url: '{url}' }}\n\
         catalog: {{ path: '{}' }}\n\
         environments: {{ prod: {{ approvals: 1 }}, dev: {{}} }}\n\
         people:\n  - {{ id: ana, roles: [operator], console: {{ token: '{TOKEN}' }} }}\n  - {{ id: leo, roles: [lead, admin] }}\n\
         roles: {{ viewer: Looks., operator: {{ about: Runs., includes: [viewer] }}, lead: Approves., admin: All. }}\n\
         channels: {{ '#infra': {{ console: true }} }}\n\
         hooks:\n",
        catalog.display(),
    );
    if let Some(api) = slack {
        text = text.replace("id: ana,", "id: ana, slack: T1/U1,").replace("console: true }", "slack: C1 }");
        let app = format!("mode: http, bot_token: xoxb-fake-bot, signing_secret: '{SIGNING}', api_url: '{api}'");
        text = text.replacen("hooks:", &format!("slack: {{ {app} }}\nhooks:"), 1);
    }
    for source in 0..SOURCES {
        writeln!(text, "  am{source}: {{ dialect: alertmanager, secret: '{SECRET}', channel: '#infra' }}")?;
    }
    Config::read("bench.yaml", &text, &BTreeMap::new()).map_err(|problems| anyhow!("{problems:?}"))
}
