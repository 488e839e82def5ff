//! Who is asking: a person by their token or session, an alert source by its secret. Every comparison takes a time that
//! tells nothing: tokens are looked up by their digest, secrets are compared through [`Secret::matches`].

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::State;
use super::fault::Fault;
use super::serve::Peer;
use crate::config::Config;
use crate::domain::actor::{Actor, PersonId, Platform};
use crate::domain::digest;
use crate::secret::Secret;
use crate::store::sessions;

/// The session cookie's name.
pub(super) const COOKIE: &str = "sereno_session";

/// The credentials that the configuration lists.
pub struct Access {
    people: HashMap<String, PersonId>,
    hooks: BTreeMap<String, Vec<Secret>>,
    nobody: Vec<Secret>,
}

impl Access {
    /// Those of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let people = config.tokens.iter().filter(|(_, token)| !token.reveal().trim().is_empty());
        Self {
            people: people.map(|(person, token)| (digest::sha256(token.reveal().as_bytes()), person.clone())).collect(),
            hooks: config.hook_secrets.clone(),
            nobody: vec![Secret::generate()],
        }
    }

    /// Whose token it is.
    pub(super) fn person(&self, token: &str) -> Option<&PersonId> {
        self.people.get(&digest::sha256(token.as_bytes()))
    }

    /// Whether these headers carry a secret of that hook. An unknown hook takes as long as a wrong secret.
    pub(super) fn hook(&self, name: &str, headers: &HeaderMap) -> bool {
        let secrets = self.hooks.get(name).unwrap_or(&self.nobody);
        let sent = secret_of(headers).unwrap_or_default();
        // Every secret is tried, so that time does not tell which one it was; an empty one opens nothing.
        secrets.iter().fold(false, |found, secret| (secret.matches(&sent) && !sent.is_empty()) | found)
    }
}

/// The value of `Authorization`, if its scheme is this one.
fn authorization<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let (sent, value) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    sent.eq_ignore_ascii_case(scheme).then(|| value.trim())
}

/// The secret as bearer token, or as the password of Basic.
fn secret_of(headers: &HeaderMap) -> Option<String> {
    if let Some(token) = authorization(headers, "bearer") {
        return Some(token.to_owned());
    }
    let decoded = STANDARD.decode(authorization(headers, "basic")?).ok()?;
    let (_, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(password.to_owned())
}

/// The session's token, if a cookie carries one.
pub(super) fn session_of(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// Whether a browser sent this from a page of ours. A request that no browser sent names neither origin nor site; it
/// passes only where `browserless` is allowed, which is where no cookie could have been added to it by a browser.
pub(super) fn is_ours(headers: &HeaderMap, public_url: &str, browserless: bool) -> bool {
    let text = |name| headers.get(name).map(|value: &axum::http::HeaderValue| value.to_str().unwrap_or("null"));
    let site = text(header::HeaderName::from_static("sec-fetch-site"));
    if matches!(site, Some("cross-site" | "same-site")) {
        return false;
    }
    match (text(header::ORIGIN), site) {
        (Some(origin), _) => {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            origin == origin_of(public_url) || (authority.is_some() && authority == text(header::HOST))
        }
        (None, Some(site)) => matches!(site, "same-origin" | "none"),
        (None, None) => browserless,
    }
}

/// Scheme and authority of a URL.
fn origin_of(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let path = url.get(start..).and_then(|rest| rest.find('/'));
    path.and_then(|path| url.get(..start + path)).unwrap_or(url)
}

/// The person who asks, on the console. Extracting it refuses everybody else, and every change that a foreign page asked
/// for in their name.
pub(super) struct Who(pub PersonId);

impl Who {
    /// With the roles that they hold now.
    pub(super) fn actor(&self, state: &State) -> Result<Actor, Fault> {
        state.engine.settings.load().actor(&self.0, Platform::Console).ok_or(Fault::Unknown)
    }
}

/// Whose token it is, as long as nobody guesses from that address.
pub(super) fn by_token(state: &State, peer: Peer, token: &str) -> Result<Option<PersonId>, Fault> {
    guarded(state, peer, token)?;
    let person = state.access.load().person(token).cloned();
    if person.is_some() {
        state.guard.right(peer.0, token);
    } else {
        wrong(state, peer);
    }
    Ok(person)
}

/// Turns away whoever presented too many wrong tokens.
pub(super) fn guarded(state: &State, peer: Peer, token: &str) -> Result<(), Fault> {
    state.guard.admit(peer.0, token).map_err(|wait| {
        metrics::counter!("sereno_sign_in_failures_total", "outcome" => "slowed").increment(1);
        Fault::Guessing(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
    })
}

/// Notes that a token from there was wrong.
pub(super) fn wrong(state: &State, peer: Peer) {
    metrics::counter!("sereno_sign_in_failures_total", "outcome" => "wrong").increment(1);
    if state.guard.wrong(peer.0) {
        tracing::warn!(peer = %peer.0, "too many wrong tokens from this address; it is turned away for a moment");
    }
}

impl FromRequestParts<Arc<State>> for Who {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self, Fault> {
        let settings = state.engine.settings.load_full();
        let person = if let Some(token) = authorization(&parts.headers, "bearer") {
            by_token(state, Peer::of(parts), token)?
        } else if let Some(session) = session_of(&parts.headers) {
            let reading = matches!(parts.method, Method::GET | Method::HEAD);
            if !reading && !is_ours(&parts.headers, &settings.public_url, false) {
                return Err(Fault::Foreign);
            }
            let mut db = state.engine.store.read().await?;
            sessions::person(&mut db, &digest::sha256(session.as_bytes()), state.engine.clock.now()).await?
        } else {
            None
        };
        person.filter(|id| settings.knows(id)).map(Self).ok_or(Fault::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "https://ops.example.com";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn access() -> Access {
        let hooks = [("am".to_owned(), vec![Secret::new("old-secret"), Secret::new("new-secret")])];
        Access { people: HashMap::new(), hooks: hooks.into(), nobody: vec![Secret::generate()] }
    }

    #[test]
    fn a_hook_opens_by_any_of_its_secrets_as_bearer_or_basic() {
        let basic = format!("Basic {}", STANDARD.encode("sereno:new-secret"));
        for sent in ["Bearer old-secret", "bearer new-secret", basic.as_str()] {
            assert!(access().hook("am", &headers(&[("authorization", sent)])), "{sent}");
        }
    }

    #[test]
    fn a_hook_stays_shut_for_anything_else() {
        for sent in ["Bearer old-secre", "Bearer ", "Bearer", "Basic old-secret", "Basic ====", "old-secret", ""] {
            assert!(!access().hook("am", &headers(&[("authorization", sent)])), "{sent}");
        }
        assert!(!access().hook("am", &HeaderMap::new()));
        assert!(!access().hook("other", &headers(&[("authorization", "Bearer old-secret")])));
    }

    #[test]
    fn only_pages_of_ours_may_change_something() {
        let ours = |pairs: &[(&'static str, &str)]| is_ours(&headers(pairs), OURS, false);
        assert!(ours(&[("origin", OURS)]));
        assert!(ours(&[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")]));
        assert!(ours(&[("sec-fetch-site", "same-origin")]));
        assert!(!ours(&[("origin", "https://evil.example"), ("host", "ops.example.com")]));
        assert!(!ours(&[("origin", "https://ops.example.com.evil.example")]));
        assert!(!ours(&[("origin", "null"), ("host", "ops.example.com")]));
        assert!(!ours(&[("origin", OURS), ("sec-fetch-site", "cross-site")]));
        assert!(!ours(&[]), "a cookie without any sign of a browser is refused, too");
        assert!(is_ours(&HeaderMap::new(), OURS, true));
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let sent = headers(&[("cookie", "theme=dark; sereno_session=abc")]);
        assert_eq!(session_of(&sent), Some("abc"));
        assert_eq!(session_of(&headers(&[("cookie", "xsereno_session=abc")])), None);
    }

    #[test]
    fn an_origin_has_no_path() {
        assert_eq!(origin_of("https://a.example/console/"), "https://a.example");
        assert_eq!(origin_of("http://127.0.0.1:8080"), "http://127.0.0.1:8080");
    }
}
