//! Whose request it is: the connection's, or, behind a proxy that the configuration trusts, the one that the proxy names.
//! Whoever may not be trusted may write into the header what they like.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// What proxies write, each at its end (its de-facto form; RFC 7239 has the same order).
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address that a request comes from: the last one that no trusted proxy has. What cannot be read ends the search.
pub(super) fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_proxy = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    let mut client = peer.to_canonical();
    let lines: Vec<&str> = headers.get_all(FORWARDED_FOR).iter().map(|line| line.to_str().unwrap_or("?")).collect();
    let mut named = lines.iter().flat_map(|line| line.split(',')).rev();
    while is_proxy(client) {
        let Some(next) = named.next().and_then(|text| read(text.trim())) else { break };
        client = next;
    }
    client
}

/// An address, also with a port.
fn read(text: &str) -> Option<IpAddr> {
    let address = text.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip())).ok()?;
    Some(IpAddr::to_canonical(&address))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(peer: &str, lines: &[&str]) -> String {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "::1/128"].iter().map(|net| net.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(line).unwrap());
        }
        address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_what_it_wrote_itself() {
        assert_eq!(of("192.0.2.1", &["198.51.100.7"]), "192.0.2.1", "a stranger's word");
        assert_eq!(of("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(of("10.0.0.1", &["203.0.113.9, 198.51.100.7"]), "198.51.100.7", "the client's own header");
        assert_eq!(of("10.0.0.1", &["203.0.113.9", "198.51.100.7, 10.0.0.2"]), "198.51.100.7", "two proxies");
        assert_eq!(of("::ffff:10.0.0.1", &["198.51.100.7:4711"]), "198.51.100.7");
        assert_eq!(of("::1", &["[2001:db8::7]:4711"]), "2001:db8::7");
    }

    #[test]
    fn what_cannot_be_read_is_the_proxys_own() {
        assert_eq!(of("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(of("10.0.0.1", &["unknown"]), "10.0.0.1");
        assert_eq!(of("10.0.0.1", &["198.51.100.7, _hidden, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(of("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3", "somebody within");
    }
}
