//! What an `sql_restore` step may say, and what it would do. Knows nothing of connections.

use serde::Deserialize;

use super::Restore;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::text_enum;
use crate::executor::attempt::{Field, only};
use crate::executor::sql::dump::place::Place;
use crate::executor::sql::fields::Database;
use crate::executor::sql::ident;
use crate::executor::value::Text;

text_enum! {
    /// What to do.
    Verb {
        /// Fills a new database from a backup, and puts it in the place of the old one, which is kept.
        Restore = "restore",
        /// Puts a kept database back in service; what was in service is kept in turn.
        SwapBack = "swap_back",
        /// Drops a kept database for good.
        DropCopy = "drop_copy",
    }
}

/// Puts a backup in the place of a PostgreSQL database. Facts of `restore`: `database`, `safety_copy` (the name under
/// which the old one is kept; null where there was none), `sessions_ended`, `rows` (by schema and table), `tables`,
/// `rows_total`, `compared` (whether a note of `sql_backup` was there to compare with), `differences`, `seconds`. Facts
/// of `swap_back`: `database`, `set_aside`, `sessions_ended`. Facts of `drop_copy`: `dropped`, `bytes`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    /// What to do.
    r#do: Verb,
    /// The database, a secret of the configuration that holds its `postgres://` URL. Its user must own the database,
    /// and may create databases and end sessions.
    database: Database,
    /// `restore`: the backup's directory, an absolute path. Takes no placeholder.
    #[serde(default)]
    #[schemars(extend("x-literal" = true))]
    dir: Option<String>,
    /// `restore`: the backup's name in it: one of pg_dump's archives or plain dumps, also packed by gzip.
    #[serde(default)]
    file: Option<Text>,
    /// `restore`: true restores owners and privileges of an archive, too; roles that are missing are an error. Without,
    /// everything belongs to the URL's user.
    #[serde(default)]
    owners: Option<bool>,
    /// `swap_back`, `drop_copy`: the kept database, as in `{{ steps.restore.safety_copy }}`.
    #[serde(default)]
    copy: Option<Text>,
    /// The database to be connected with while this one is renamed. `postgres` without.
    #[serde(default)]
    maintenance: Option<Text>,
}

/// What a step is to do.
#[derive(Debug)]
pub(super) enum Job {
    Restore { place: Place, owners: bool },
    SwapBack { copy: String },
    DropCopy { copy: String },
}

impl Job {
    pub(super) fn verb(&self) -> Verb {
        match self {
            Self::Restore { .. } => Verb::Restore,
            Self::SwapBack { .. } => Verb::SwapBack,
            Self::DropCopy { .. } => Verb::DropCopy,
        }
    }
}

impl Fields {
    /// The step, if the fields fit together.
    pub(super) fn check(self) -> Result<Restore, Sentence> {
        let verb = self.r#do;
        let of =
            |given: bool, field: &'static str, verbs: &'static [Verb]| -> Field<'_, Verb> { (given, field, verbs) };
        let fields = [
            of(self.dir.is_some(), "dir", &[Verb::Restore]),
            of(self.file.is_some(), "file", &[Verb::Restore]),
            of(self.owners.is_some(), "owners", &[Verb::Restore]),
            of(self.copy.is_some(), "copy", &[Verb::SwapBack, Verb::DropCopy]),
        ];
        only(&verb, &fields)?;
        let needs = |field: &'static str| sentence!("action.needs", verb => verb.as_str(), field);
        let copy = || {
            let Text(copy) = self.copy.clone().ok_or_else(|| needs("copy"))?;
            if ident::fits(&copy) { Ok(copy) } else { Err(sentence!("action.sql_bad_name", name => copy)) }
        };
        let job = match verb {
            Verb::Restore => {
                let dir = self.dir.as_ref().ok_or_else(|| needs("dir"))?;
                let Text(file) = self.file.as_ref().ok_or_else(|| needs("file"))?;
                Job::Restore { place: Place::new(dir, file)?, owners: self.owners.unwrap_or(false) }
            }
            Verb::SwapBack => Job::SwapBack { copy: copy()? },
            Verb::DropCopy => Job::DropCopy { copy: copy()? },
        };
        let maintenance = self.maintenance.map_or_else(|| "postgres".to_owned(), |Text(name)| name);
        Ok(Restore { secret: self.database.secret, maintenance, job })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_field_of_another_verb_or_a_missing_one_is_named() {
        for (mut with, says) in [
            (json!({"do": "restore", "dir": "/b"}), "file"),
            (json!({"do": "restore", "file": "x"}), "dir"),
            (json!({"do": "restore", "dir": "/b", "file": "../x"}), "sql_file_name"),
            (json!({"do": "restore", "dir": "/b", "file": "x", "copy": "y"}), "action.stray"),
            (json!({"do": "swap_back"}), "copy"),
            (json!({"do": "drop_copy", "copy": "x", "dir": "/b"}), "action.stray"),
            (json!({"do": "drop_copy", "copy": ""}), "sql_bad_name"),
        ] {
            with["database"] = json!({"secret": "shop_db"});
            let read = |with: &Value| crate::executor::read::<Fields>(with)?.check();
            let error = format!("{:?}", read(&with).map(|_| ()).unwrap_err());
            assert!(error.contains(says), "{with}: {error}");
        }
    }
}
