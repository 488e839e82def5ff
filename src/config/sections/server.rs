//! Where Sereno listens, where it keeps things, and how it logs.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use minijinja::context;

use super::Check;
use crate::config::written::{Docker, Log, Programs, Server, Store};
use crate::secret::Secret;

/// Seconds that a start waits for a database where nothing is said.
const STORE_WAIT: u64 = 20;

impl Check<'_> {
    /// Where people reach Sereno.
    pub fn server(&mut self, server: &Server) -> String {
        let listen = &server.listen;
        let local = listen.strip_prefix("localhost:").is_some_and(|port| port.parse::<u16>().is_ok());
        if !listen.is_empty() && !local && listen.parse::<SocketAddr>().is_err() {
            self.error(&["server", "listen"], "listen", context! { listen });
        }
        let Some(url) = &server.public_url else {
            let here = listen.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:");
            return format!("http://{here}");
        };
        let sound = url.contains("://")
            && reqwest::Url::parse(url).is_ok_and(|url| {
                matches!(url.scheme(), "http" | "https")
                    && url.host().is_some()
                    && url.username().is_empty()
                    && url.password().is_none()
                    && url.query().is_none()
                    && url.fragment().is_none()
            });
        if !url.is_empty() && !sound {
            self.error(&["server", "public_url"], "public_url", context! { url });
        }
        url.trim_end_matches('/').to_owned()
    }

    /// Proxies that are believed; an address is a network of one.
    pub fn proxies(&mut self, server: &Server) -> Vec<IpNet> {
        let mut known = Vec::new();
        for (index, text) in server.trusted_proxies.iter().enumerate() {
            match text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
                Ok(net) => known.push(net),
                Err(_) => self.error(&["server", "trusted_proxies", &index.to_string()], "proxy", context! { text }),
            }
        }
        known
    }

    /// The database, and how long a start waits for it.
    pub fn store(&mut self, store: Store) -> (Secret, Duration) {
        let wait = store.wait.as_ref().and_then(|text| self.span(&["store", "wait"], text)).unwrap_or(STORE_WAIT);
        (self.store_url(store), Duration::from_secs(wait))
    }

    /// The database's URL, which may hold a password.
    fn store_url(&mut self, store: Store) -> Secret {
        let secret = self.resolve(&["store"], "url", store.url, store.url_file);
        let Some(secret) = secret else { return Secret::new("sqlite://sereno.db") };
        let known = ["sqlite:", "postgres://", "postgresql://"];
        if !known.iter().any(|scheme| secret.reveal().starts_with(scheme)) {
            self.error(&["store", "url"], "store_url", context! {});
        }
        secret
    }

    /// Programs by the name that they usually have. One that is named stands somewhere, whatever the working directory.
    pub fn programs(&mut self, programs: Programs) -> BTreeMap<String, PathBuf> {
        let Programs { terraform, docker, docker_compose } = programs;
        let named = [("terraform", terraform), ("docker", docker), ("docker_compose", docker_compose)];
        let given = named.into_iter().filter_map(|(name, path)| Some((name, path?)));
        let mut found = BTreeMap::new();
        for (name, path) in given.filter(|(_, path)| !path.as_os_str().is_empty()) {
            if !path.is_absolute() {
                self.error(&["programs", name], "program", context! { path => path.display().to_string() });
            }
            found.insert(name.replace('_', "-"), path);
        }
        found
    }

    /// Refuses a level that no filter reads, and an address that is no Docker engine's.
    pub fn log(&mut self, log: &Log, docker: &Docker) {
        if !log.level.is_empty() && tracing_subscriber::EnvFilter::try_new(&log.level).is_err() {
            self.error(&["log", "level"], "log_level", context! { level => log.level.as_str() });
        }
        let known = ["unix://", "tcp://", "http://"];
        if let Some(host) = docker.host.as_ref().filter(|host| !host.is_empty())
            && !known.iter().any(|scheme| host.starts_with(scheme))
        {
            self.error(&["docker", "host"], "docker_host", context! { host });
        }
    }
}
