//! One process serves a SQLite file. The lock beside the file belongs to the process: the system gives it back when
//! the process ends, however it ends. Readers, such as `audit verify`, do not take it.

use std::fs::{File, TryLockError};
use std::sync::PoisonError;

use super::db::Inner;
use super::{Result, Store, StoreError};

impl Store {
    /// Claims the database for this process until its last [`Store`] is dropped. On PostgreSQL several replicas may
    /// serve, so there it does nothing.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when another process has it, or the lock file cannot be made.
    pub fn claim_alone(&self) -> Result<()> {
        let Inner::Sqlite { options, alone, .. } = &*self.inner else { return Ok(()) };
        let mut alone = alone.lock().unwrap_or_else(PoisonError::into_inner);
        if alone.is_some() {
            return Ok(());
        }
        let database = options.get_filename();
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        let failed = |error: std::io::Error| {
            StoreError::Unusable(format!(
                "{} cannot be locked ({error}): let this user write to its folder",
                path.display()
            ))
        };
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                *alone = Some(file);
                Ok(())
            }
            Err(TryLockError::WouldBlock) => Err(StoreError::Unusable(format!(
                "another process serves {}: stop it first, or use PostgreSQL, which several may share",
                database.display()
            ))),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}
