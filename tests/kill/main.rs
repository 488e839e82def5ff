//! The kill harness: processes with a real engine on a real database end by SIGKILL at journal points drawn at random,
//! others go on from what they left, and what the outside world saw is held against what the journal says.
//! CI runs [`CI_SQLITE`] and [`CI_POSTGRES`] schedules; `SERENO_KILL_SCHEDULES=2000 SERENO_KILL_SCHEDULES_POSTGRES=500`
//! the full counts, and `SERENO_SEED` draws the same schedules again.
#![cfg(feature = "faults")]
#![allow(clippy::disallowed_methods)] // the harness starts itself as its own child, and is steered by the environment

mod books;
mod check;
mod dice;
mod life;
mod parent;
mod points;
mod state;
mod work;
mod world;

use parent::{Found, Harness};

/// Schedules in CI, on SQLite.
const CI_SQLITE: u32 = 200;
/// Schedules in CI, on PostgreSQL.
const CI_POSTGRES: u32 = 60;

/// Not a test: one life of a process of the harness, which starts it by name.
#[test]
#[ignore = "a child process of the kill harness"]
fn life() {
    if let Ok(text) = std::env::var(life::ENTRY) {
        life::live(&serde_json::from_str(&text).unwrap());
    }
}

#[test]
fn no_kill_on_sqlite_starts_twice_or_loses_a_request() {
    sound(&Harness::sqlite(parent::size("SERENO_KILL_SCHEDULES", CI_SQLITE)));
}

#[test]
fn no_kill_on_postgresql_starts_twice_or_loses_a_request() {
    let Some(server) = parent::postgres_server() else { return };
    sound(&Harness::postgres(parent::size("SERENO_KILL_SCHEDULES_POSTGRES", CI_POSTGRES), server));
}

/// Nothing is found, and the search went everywhere.
fn sound(harness: &Harness) {
    let found = harness.run();
    found.show();
    assert!(found.violations.is_empty(), "{} violations, listed above", found.violations.len());
    for (point, hits) in &found.points {
        let least = harness.least();
        assert!(hits.kills >= least, "{point} killed {} times, and {least} are wanted", hits.kills);
    }
}

#[test]
fn a_guarded_step_that_is_run_again_after_a_crash_is_found() {
    let found = seeded("defect.rerun_after_crash");
    assert!(found.names("effects for") || found.names("interrupted, and now"), "{:?}", found.violations);
}

#[test]
fn an_effect_before_its_start_is_written_is_found() {
    let found = seeded("defect.effect_before_start");
    assert!(found.names("starts in the journal"), "{:?}", found.violations);
}

#[test]
fn a_step_that_starts_after_its_run_was_cancelled_is_found() {
    let found = seeded("defect.start_after_cancel");
    assert!(found.names("cancelled it"), "{:?}", found.violations);
}

#[test]
fn a_request_that_is_acknowledged_before_it_is_stored_is_found() {
    let found = seeded("defect.acknowledge_before_commit");
    assert!(found.names("was acknowledged and is lost"), "{:?}", found.violations);
}

/// Searches until a seeded defect is found, as long as CI searches.
fn seeded(defect: &'static str) -> Found {
    let found = Harness::sqlite(CI_SQLITE).seeding(defect).run();
    println!("{defect}: found after {} of at most {CI_SQLITE} schedules", found.schedules);
    found
}
