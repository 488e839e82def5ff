//! The way out to a host: straight, or through an HTTP proxy by CONNECT. The Web API and the connections of Socket Mode
//! both go this way. Knows nothing of Slack.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::Service;

use super::super::Proxy;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Said of a proxy that cannot be used; not which, for its address may hold a password.
const UNUSABLE: &str = "HTTPS_PROXY must be http://host:port, with user:password@ before the host if it asks for them";

/// Opens connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct Way {
    straight: HttpConnector,
    proxies: Option<Arc<Matcher>>,
}

impl Way {
    /// A way out.
    ///
    /// # Errors
    /// In words, where the proxy is none that is spoken to by plain HTTP.
    pub fn new(proxy: Option<&Proxy>) -> Result<Self, String> {
        let mut straight = HttpConnector::new();
        straight.enforce_http(false);
        straight.set_nodelay(true);
        let Some(proxy) = proxy else { return Ok(Self { straight, proxies: None }) };
        let anywhere = Matcher::builder().all(proxy.url.reveal()).build();
        let found = anywhere.intercept(&Uri::from_static("https://slack.com"));
        if found.is_none_or(|proxy| proxy.uri().scheme_str() != Some("http")) {
            return Err(UNUSABLE.to_owned());
        }
        let matcher = Matcher::builder().all(proxy.url.reveal()).no(proxy.except.as_str()).build();
        Ok(Self { straight, proxies: Some(Arc::new(matcher)) })
    }

    /// A connection to the host of a `ws:` or `wss:` address.
    ///
    /// # Errors
    /// Of the system's, or the proxy's.
    pub async fn to(&self, address: &str) -> Result<TcpStream, Error> {
        let address: Uri = address.parse()?;
        let scheme = if address.scheme_str() == Some("wss") { "https" } else { "http" };
        let host = address.authority().ok_or("an address without a host")?.clone();
        let uri = Uri::builder().scheme(scheme).authority(host).path_and_query("/").build()?;
        Ok(self.clone().call(uri).await?.into_inner())
    }
}

impl Service<Uri> for Way {
    type Response = TokioIo<TcpStream>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.straight.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let Some(proxy) = self.proxies.as_ref().and_then(|proxies| proxies.intercept(&to)) else {
            let connecting = self.straight.call(to);
            return Box::pin(async { Ok(connecting.await?) });
        };
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.straight.clone());
        if let Some(auth) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(auth.clone());
        }
        let connecting = tunnel.call(to);
        Box::pin(async { Ok(connecting.await?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn a_proxy_that_is_not_spoken_to_by_http_is_refused_without_its_password() {
        for (url, good) in [
            ("http://proxy.example:3128", true),
            ("proxy.example:3128", true),
            ("http://user:hunter2@10.0.0.1:8080", true),
            ("https://user:hunter2@proxy.example", false),
            ("socks5://user:hunter2@proxy.example", false),
            ("no address, but hunter2", false),
        ] {
            let way = Way::new(Some(&Proxy { url: Secret::new(url), except: String::new() }));
            assert_eq!(way.is_ok(), good, "{url}");
            assert!(way.err().is_none_or(|why| !why.contains("hunter2")));
        }
    }
}
