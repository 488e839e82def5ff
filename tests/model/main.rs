//! The model test of approvals: random deeds of people, clock, files and crashes against a real engine on a real
//! SQLite file; beside it stands the truth, a set of possible approvals, and every effect in the outside world must
//! match one. [`CASES`] of them; `PROPTEST_CASES` for more, `SERENO_SEED` for the same again.
#![cfg(feature = "faults")]
#![allow(clippy::disallowed_methods)] // the size and the seed come from the environment

mod deeds;
mod system;
mod truth;

use std::sync::{Mutex, PoisonError};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use deeds::Deed;
use system::System;
use truth::Truth;

/// Cases in CI.
const CASES: u32 = 200;

/// Journal points and defects belong to the process, so cases follow one another.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn every_effect_was_approved_by_others_in_time_and_byte_for_byte() {
    let (result, seen) = search(None);
    println!("{seen:?}");
    if let Err(error) = result {
        panic!("{error}");
    }
    assert!(seen.effects > seen.cases / 4, "too little happens to prove anything: {seen:?}");
    assert!(seen.crashes > seen.cases / 2, "too few crashes to prove anything: {seen:?}");
}

#[test]
fn a_plan_that_is_not_compared_is_found() {
    found("defect.no_digest_check", "nobody approved these bytes");
}

#[test]
fn a_requester_who_approves_alone_is_found() {
    found("defect.self_approval", "nobody approved");
}

#[test]
fn an_approval_after_its_expiry_is_found() {
    found("defect.no_expiry_check", "nobody approved");
}

#[test]
fn an_approver_who_lost_the_role_is_found() {
    found("defect.revoked_approver", "nobody approved");
}

#[test]
fn a_vote_that_counts_twice_is_found() {
    found("defect.duplicate_vote", "nobody approved");
}

/// What happened over all cases.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    cases: usize,
    deeds: usize,
    effects: usize,
    crashes: usize,
}

/// A seeded defect is found, and for what it is.
fn found(defect: &str, what: &str) {
    let (result, seen) = search(Some(defect));
    match result {
        Err(TestError::Fail(why, deeds)) => {
            println!("{defect}: {why}, after {} cases, by {deeds:?}", seen.cases);
            assert!(why.to_string().contains(what), "{why}");
        }
        other => panic!("{defect} was not found in {} cases: {other:?}", seen.cases),
    }
}

/// Draws cases until one fails.
fn search(defect: Option<&str>) -> (Result<(), TestError<Vec<Deed>>>, Seen) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let cases = number("PROPTEST_CASES").and_then(|cases| u32::try_from(cases).ok()).unwrap_or(CASES);
    let seed = number("SERENO_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("model: {cases} cases, seed {seed}");
    // A seeded defect ends the search, mostly within fifty cases, and what is found need not be made small.
    let (cases, max_shrink_iters) = if defect.is_some() { (5 * cases, 0) } else { (cases, 500) };
    let config = Config { cases, failure_persistence: None, max_shrink_iters, ..Config::default() };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    if let Some(defect) = defect {
        fail::cfg(defect, "return").unwrap();
    }
    let seen = Mutex::new(Seen::default());
    let result = runner.run(&deeds::deeds(), |deeds| case(&deeds, &mut seen.lock().unwrap()));
    if let Some(defect) = defect {
        fail::remove(defect);
    }
    (result, seen.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// One case: each deed is done, and looked at.
fn case(deeds: &[Deed], seen: &mut Seen) -> Result<(), TestCaseError> {
    let (mut system, mut truth) = (System::new(), Truth::default());
    seen.cases += 1;
    for deed in deeds.iter().chain([&Deed::Settle]) {
        let press = system.does(deed);
        truth.takes(deed, press);
        truth.judges(system.look()).map_err(TestCaseError::fail)?;
        seen.deeds += 1;
        seen.crashes += usize::from(matches!(deed, Deed::Crash(_) | Deed::Restart));
    }
    seen.effects += system.look().effects.len();
    system.audit_is_whole().map_err(TestCaseError::fail)
}
