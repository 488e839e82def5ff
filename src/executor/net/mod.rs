//! Ways to other machines that actions share: names are looked up and judged in one place, connections open within a
//! limit, and what comes back is capped. Knows nothing of what is spoken.

pub(super) mod capped;
pub(super) mod certificate;
pub(super) mod handshake;
pub(super) mod trust;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::domain::sentence::{Sentence, sentence};

/// Longest wait for a connection, TLS included.
pub(super) const CONNECT: Duration = Duration::from_secs(10);

/// A host and its port, as in `db.internal:5432` or `[::1]:6379`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// A name or an address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Endpoint {
    /// Reads `host:port`; without a port, `port` where there is a usual one.
    pub(super) fn read(text: &str, port: Option<u16>) -> Result<Self, Sentence> {
        let no = || sentence!("action.net_no_endpoint", text);
        let (host, given) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or_else(no)?)),
            None if text.parse::<IpAddr>().is_ok() => (text, None),
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let port = match given {
            Some(given) => given.parse().ok().filter(|port| *port > 0),
            None => port,
        };
        let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '@' | '?' | '#' | ',');
        if host.is_empty() || host.contains(odd) {
            return Err(no());
        }
        Ok(Self { host: host.to_owned(), port: port.ok_or_else(no)? })
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Opens a connection.
///
/// # Errors
/// When there is no such host, its address is forbidden, or it does not answer within ten seconds.
pub(super) async fn connect(to: &Endpoint) -> Result<TcpStream, Sentence> {
    let open = async {
        let addresses = lookup(&to.host, to.port).await?;
        let stream = TcpStream::connect(addresses.as_slice()).await;
        stream.map_err(|error| not_reached(to, &error))
    };
    tokio::time::timeout(CONNECT, open).await.unwrap_or_else(|_| Err(slow(to)))
}

/// That a server did not let us in, and why.
pub(super) fn not_reached(to: &impl ToString, why: &impl ToString) -> Sentence {
    sentence!("action.net_not_reached", server => to.to_string(), why => why.to_string())
}

/// That a connection took too long.
pub(super) fn slow(to: &impl ToString) -> Sentence {
    sentence!("action.net_slow", server => to.to_string(), seconds => CONNECT.as_secs())
}

/// The addresses of a host, none of them forbidden.
pub(super) async fn lookup(host: &str, port: u16) -> Result<Vec<SocketAddr>, Sentence> {
    let found = tokio::net::lookup_host((host, port)).await;
    let found = found.map_err(|error| sentence!("action.http_no_address", host, why => error.to_string()))?;
    let found: Vec<SocketAddr> = found.collect();
    match found.iter().any(|address| forbidden(address.ip())) {
        true => Err(refusal(host)),
        false => Ok(found),
    }
}

/// That a host is never asked.
pub(super) fn refusal(what: &str) -> Sentence {
    sentence!("action.http_link_local", what)
}

/// Link-local addresses in every spelling, and the metadata service's other address. Loopback and private networks
/// are where operations happen, and are allowed.
pub(super) fn forbidden(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, e, f, high, low] = v6.segments();
            let inner = [high, low].map(u16::to_be_bytes).concat();
            // Mapped (::ffff:), compatible (::) and translated (64:ff9b::) hold an IPv4 address at their end.
            let holds_v4 = matches!((a, b, c, d, e, f), (0, 0, 0, 0, 0, 0 | 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0));
            v6.is_unicast_link_local()
                || (a, b) == (0xfd00, 0xec2)
                || (a, b) == (0x2002, 0xa9fe)
                || (holds_v4 && inner.starts_with(&[169, 254]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_and_a_port() {
        for (text, usual, is) in [
            ("db:5432", None, "db:5432"),
            ("10.0.0.1", Some(443), "10.0.0.1:443"),
            ("[::1]:80", None, "[::1]:80"),
            ("::1", Some(25), "[::1]:25"),
        ] {
            assert_eq!(Endpoint::read(text, usual).unwrap().to_string(), is);
        }
        for text in ["db", "db:", "db:0", "db:65536", ":80", "a b:1", "https://db:1", "ana@db:1", "[::1]x"] {
            assert!(Endpoint::read(text, None).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn the_resolver_refuses_what_a_name_hides() {
        let error = lookup("169.254.169.254", 80).await.unwrap_err();
        assert_eq!(error, refusal("169.254.169.254"));
    }
}
