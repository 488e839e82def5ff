//! One process serves a SQLite file. The lock beside the file belongs to the process: the system gives it back when
//! the process ends, however it ends. Readers, such as `audit verify`, do not take it.

use std::fs::{File, TryLockError};
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use super::db::Inner;
use super::{Result, Store, StoreError};

/// How long a lock is waited for: a program that was being started when the last process was killed holds that
/// process's lock until it has become itself.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often it is tried.
const LOOK: Duration = Duration::from_millis(20);

impl Store {
    /// Claims the database for this process until its last [`Store`] is dropped. On PostgreSQL several replicas may
    /// serve, so there it does nothing.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when another process has it, or the lock file cannot be made.
    pub async fn claim_alone(&self) -> Result<()> {
        let Inner::Sqlite { options, alone, .. } = &*self.inner else { return Ok(()) };
        let held = || alone.lock().unwrap_or_else(PoisonError::into_inner);
        if held().is_some() {
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
        let until = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => {
                    *held() = Some(file);
                    return Ok(());
                }
                Err(TryLockError::WouldBlock) if Instant::now() < until => tokio::time::sleep(LOOK).await,
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::Unusable(format!(
                        "another process serves {}: stop it first, or use PostgreSQL, which several may share",
                        database.display()
                    )));
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    }
}
