//! How a statement is run: written once, checked by the compiler against both drivers, with a deadline. Knows no noun.

use std::future::Future;
use std::str::FromStr;

use super::db::DEADLINE;
use super::{Result, StoreError};

/// Awaits one future, written once, against whichever database it is: the compiler checks it for both. It has a
/// deadline, and after an error, or when it is dropped before it ends, the connection is not used again.
macro_rules! on {
    ($db:expr, |$c:ident| $future:expr) => {{
        let db: &mut $crate::store::Db = $db;
        let result = match db.lend() {
            Ok($crate::store::db::Backend::Sqlite($c)) => $crate::store::sql::timed($future).await,
            Ok($crate::store::db::Backend::Postgres($c)) => $crate::store::sql::timed($future).await,
            Err(error) => Err(error),
        };
        if result.is_ok() {
            db.take_back();
        }
        result
    }};
}
pub(super) use on;

/// Executes a statement with its values, and gives how many rows it touched.
macro_rules! exec {
    ($db:expr, $sql:expr $(, $value:expr)* $(,)?) => {
        $crate::store::sql::on!($db, |c| async {
            sqlx::query($sql)$(.bind($value))*.execute(c).await.map(|done| done.rows_affected())
        })
    };
}
pub(super) use exec;

/// Every row that a statement gives.
macro_rules! fetch_all {
    ($db:expr, $row:ty, $sql:expr $(, $value:expr)* $(,)?) => {
        $crate::store::sql::on!($db, |c| sqlx::query_as::<_, $row>($sql)$(.bind($value))*.fetch_all(c))
    };
}
pub(super) use fetch_all;

/// The row that a statement gives, if any.
macro_rules! fetch_optional {
    ($db:expr, $row:ty, $sql:expr $(, $value:expr)* $(,)?) => {
        $crate::store::sql::on!($db, |c| sqlx::query_as::<_, $row>($sql)$(.bind($value))*.fetch_optional(c))
    };
}
pub(super) use fetch_optional;

/// The one row that a statement always gives.
macro_rules! fetch_one {
    ($db:expr, $row:ty, $sql:expr $(, $value:expr)* $(,)?) => {
        $crate::store::sql::on!($db, |c| sqlx::query_as::<_, $row>($sql)$(.bind($value))*.fetch_one(c))
    };
}
pub(super) use fetch_one;

/// Declares a row by its columns' names, for both databases.
macro_rules! row {
    ($name:ident { $($column:ident: $type:ty),+ $(,)? }) => {
        struct $name { $($column: $type),+ }

        impl<'r, R: sqlx::Row> sqlx::FromRow<'r, R> for $name
        where
            &'static str: sqlx::ColumnIndex<R>,
            $($type: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,)+
        {
            fn from_row(row: &'r R) -> std::result::Result<Self, sqlx::Error> {
                Ok(Self { $($column: row.try_get(stringify!($column))?),+ })
            }
        }
    };
}
pub(super) use row;

/// A point where the kill harness ends the process, or where `return` makes the database seem away.
macro_rules! journal_point {
    ($name:literal) => {
        fail::fail_point!($name, |_| Err($crate::store::StoreError::Away(concat!("at ", $name).to_owned())))
    };
}
pub(super) use journal_point;

/// Gives a driver's future a deadline: drivers have none of their own.
pub(super) async fn timed<T>(future: impl Future<Output = std::result::Result<T, sqlx::Error>>) -> Result<T> {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(StoreError::Away(format!("no answer in {} s", DEADLINE.as_secs()))),
    }
}

/// Turns rows into what they stand for.
pub(super) fn each<R, T: TryFrom<R, Error = StoreError>>(rows: Vec<R>) -> Result<Vec<T>> {
    rows.into_iter().map(T::try_from).collect()
}

/// Reads an enum's word.
pub(super) fn word<T: FromStr<Err = String>>(text: &str) -> Result<T> {
    text.parse().map_err(StoreError::Unreadable)
}

/// Reads a count or position.
pub(super) fn count<T: TryFrom<i64>>(number: i64) -> Result<T> {
    T::try_from(number).map_err(|_| StoreError::Unreadable(format!("{number} is out of range")))
}

/// A position as its column holds it.
pub(super) fn column(position: usize) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}
