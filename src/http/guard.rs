//! Slows the guessing of tokens: an address that presents wrong ones too fast is turned away for a moment, unlooked at.
//! Who has presented a right one from there goes on undisturbed. Knows addresses and digests, no tokens; for people's
//! doors only, never for hooks, whose senders take a 429 as final.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

use crate::domain::digest;

/// Wrong tokens that an address may present at once; then one a second.
const WRONG: u32 = 20;
/// Addresses that are told apart at one time; beyond that, strangers share one.
const ADDRESSES: usize = 10_000;
/// Right tokens that are remembered with their address.
const PROVEN: usize = 10_000;

type Limiter<C> = RateLimiter<IpAddr, DefaultKeyedStateStore<IpAddr>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// What is known of those who present tokens.
pub(super) struct Guard<C: Clock + Clone = DefaultClock> {
    clock: C,
    wrong: Limiter<C>,
    known: Mutex<Known<C::Instant>>,
}

struct Known<I> {
    shut: HashMap<IpAddr, NotBefore<I>>,
    proven: HashSet<(IpAddr, String)>,
}

/// Until when an address is shut out: this long from that moment.
struct NotBefore<I> {
    from: I,
    span: Duration,
}

impl Default for Guard {
    fn default() -> Self {
        Self::new(DefaultClock::default())
    }
}

impl<C: Clock + Clone> Guard<C> {
    fn new(clock: C) -> Self {
        let one = NonZeroU32::MIN;
        let quota = Quota::per_second(one).allow_burst(NonZeroU32::new(WRONG).unwrap_or(one));
        let wrong = RateLimiter::new(quota, DefaultKeyedStateStore::default(), clock.clone());
        Self { clock, wrong, known: Mutex::new(Known { shut: HashMap::new(), proven: HashSet::new() }) }
    }

    /// Whether a token from this address may be looked at; if not, after how long it may.
    pub(super) fn admit(&self, peer: IpAddr, token: &str) -> Result<(), Duration> {
        let address = whole(peer);
        let now = self.clock.now();
        let mut known = self.lock();
        let Some(shut) = known.shut.get(&address).or_else(|| known.shut.get(&SHARED)) else { return Ok(()) };
        let passed = Duration::from(now.duration_since(shut.from));
        if passed >= shut.span {
            known.shut.remove(&address);
            return Ok(());
        }
        let left = shut.span - passed;
        if known.proven.contains(&(address, digest::sha256(token.as_bytes()))) { Ok(()) } else { Err(left) }
    }

    /// A right token came from this address.
    pub(super) fn right(&self, peer: IpAddr, token: &str) {
        let proof = (whole(peer), digest::sha256(token.as_bytes()));
        let mut known = self.lock();
        if known.proven.len() >= PROVEN && !known.proven.contains(&proof) {
            known.proven.clear();
        }
        known.proven.insert(proof);
    }

    /// A wrong one came; true if the address is shut out for a moment now.
    pub(super) fn wrong(&self, peer: IpAddr) -> bool {
        let mut address = whole(peer);
        if self.wrong.len() >= ADDRESSES {
            self.wrong.retain_recent();
            if self.wrong.len() >= ADDRESSES {
                address = SHARED;
            }
        }
        let Err(not_until) = self.wrong.check_key(&address) else { return false };
        let now = self.clock.now();
        let mut known = self.lock();
        known.shut.retain(|_, shut| Duration::from(now.duration_since(shut.from)) < shut.span);
        let span = not_until.wait_time_from(now);
        known.shut.insert(address, NotBefore { from: now, span });
        true
    }

    fn lock(&self) -> MutexGuard<'_, Known<C::Instant>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom strangers are taken for when there are too many of them.
const SHARED: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// Who counts as one: an IPv4 address, or the network of an IPv6 address, which one person has all of.
fn whole(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn guessing_gets_slow_and_a_right_token_waits_for_a_moment_at_most() {
        let clock = FakeRelativeClock::default();
        let guard = Guard::new(clock.clone());
        guard.right(address(1), "of ana");
        for _ in 0..WRONG {
            guard.admit(address(1), "guess").unwrap();
            assert!(!guard.wrong(address(1)));
        }
        guard.admit(address(1), "guess").unwrap();
        assert!(guard.wrong(address(1)), "one too many");
        let wait = guard.admit(address(1), "of leo").unwrap_err();
        assert!(wait <= Duration::from_secs(1), "{wait:?}");
        guard.admit(address(1), "of ana").expect("proven before");
        guard.admit(address(2), "of leo").expect("another address");
        clock.advance(wait);
        guard.admit(address(1), "of leo").expect("a moment later");
        assert!(!guard.wrong(address(1)) && guard.wrong(address(1)), "one guess a second");
    }

    #[test]
    fn many_addresses_do_not_fill_the_memory() {
        let guard = Guard::new(FakeRelativeClock::default());
        for number in 0..u32::try_from(ADDRESSES).unwrap() * 2 {
            guard.wrong(IpAddr::from(number.to_be_bytes()));
            guard.right(IpAddr::from(number.to_be_bytes()), "token");
        }
        assert!(guard.wrong.len() <= ADDRESSES + 1, "{}", guard.wrong.len());
        let known = guard.lock();
        assert!(known.proven.len() <= PROVEN && known.shut.len() <= ADDRESSES + 1);
    }

    #[test]
    fn a_network_of_version_6_counts_as_one_and_a_mapped_address_as_itself() {
        let of = |text: &str| whole(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), address(1));
    }
}
