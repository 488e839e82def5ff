//! Names of the databases that a restore makes and leaves: they begin with the database's own and end with the step
//! that made them, so that they are known again, and nothing else is taken for one.

use crate::domain::digest::sha256;

/// Longest name of a database, in bytes.
const LONGEST: usize = 63;
/// A run's id and a step's position, as in `01arz3ndektsv4rrffq69g5fav_0`.
const TAG: usize = 30;
/// Bytes that are left for the database's own name.
const BASE: usize = LONGEST - "_restore_".len() - TAG;
/// What comes between: being filled, kept from before a restore, kept from before a swap back.
const KINDS: [&str; 3] = ["_restore_", "_before_", "_undone_"];

/// The database that is being filled.
pub(super) fn filling(database: &str, key: &str) -> String {
    format!("{}{}{}", base(database), KINDS[0], tag(key))
}

/// What was in service before a restore.
pub(super) fn before(database: &str, key: &str) -> String {
    format!("{}{}{}", base(database), KINDS[1], tag(key))
}

/// What a restore had put in service, before it was swapped back.
pub(super) fn undone(database: &str, key: &str) -> String {
    format!("{}{}{}", base(database), KINDS[2], tag(key))
}

/// Whether `name` looks like something that a restore of `database` made.
pub(super) fn is_copy(database: &str, name: &str) -> bool {
    let Some(rest) = name.strip_prefix(&base(database)) else { return false };
    KINDS.iter().filter_map(|kind| rest.strip_prefix(kind)).any(is_tag)
}

fn tag(key: &str) -> String {
    key.to_lowercase().replace('-', "_").chars().take(TAG).collect()
}

fn is_tag(text: &str) -> bool {
    let (run, position) = text.split_once('_').unwrap_or((text, ""));
    let ulid = |c: char| c.is_ascii_digit() || (c.is_ascii_lowercase() && !matches!(c, 'i' | 'l' | 'o' | 'u'));
    run.len() == 26 && run.chars().all(ulid) && !position.is_empty() && position.chars().all(|c| c.is_ascii_digit())
}

/// The database's name, or as much of it as fits with a digest of the whole.
fn base(database: &str) -> String {
    if database.len() <= BASE {
        return database.to_owned();
    }
    let room = database.floor_char_boundary(BASE - 9);
    format!("{}_{}", &database[..room], &sha256(database.as_bytes())[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0";

    #[test]
    fn a_copy_is_known_by_its_database_and_its_step() {
        assert_eq!(before("shop", KEY), "shop_before_01arz3ndektsv4rrffq69g5fav_0");
        for database in ["shop", "Shop \"x\"", "a_database_with_a_name_that_is_far_too_long_for_that", &"ñ".repeat(31)]
        {
            for name in [filling(database, KEY), before(database, KEY), undone(database, KEY)] {
                assert!(name.len() <= LONGEST && is_copy(database, &name), "{name}");
                assert!(!is_copy("shop_other", &name), "{name}");
            }
        }
        for other in [
            "shop",
            "shop_before_christmas",
            "shop_before_",
            "shop_archive_01arz3ndektsv4rrffq69g5fav_0",
            "shop_before_01arz3ndektsv4rrffq69g5fav",
            "myshop_before_01arz3ndektsv4rrffq69g5fav_0",
        ] {
            assert!(!is_copy("shop", other), "{other}");
        }
    }
}
