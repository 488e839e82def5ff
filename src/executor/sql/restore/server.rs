//! Databases of a server: looked at, made alike, dropped. Connected with another one than that which it is about.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};

use crate::domain::sentence::{Sentence, sentence};
use crate::executor::sql::dump::tools;
use crate::executor::sql::ident::quoted;
use crate::executor::{StepContext, Tools};

/// How long a server may take to let us in.
const CONNECTING: Duration = Duration::from_secs(10);
/// How long tidying up may take.
const TIDYING: Duration = Duration::from_secs(8);

/// A new database like an old one: the statements that are still to be said once it is there.
const LIKE: &str = "SELECT format('ALTER DATABASE %I SET %I TO ', $2, split_part(c, '=', 1)) \
         || CASE WHEN split_part(c, '=', 1) IN ('search_path', 'session_preload_libraries', 'temp_tablespaces', \
         'local_preload_libraries') THEN replace(substr(c, strpos(c, '=') + 1), '\"\"', '''''') \
         ELSE quote_literal(substr(c, strpos(c, '=') + 1)) END \
       FROM pg_db_role_setting s, unnest(s.setconfig) c WHERE s.setdatabase = $1::oid AND s.setrole = 0 \
     UNION ALL SELECT format('ALTER ROLE %I IN DATABASE %I SET %I TO ', r.rolname, $2, split_part(c, '=', 1)) \
         || CASE WHEN split_part(c, '=', 1) IN ('search_path', 'session_preload_libraries', 'temp_tablespaces', \
         'local_preload_libraries') THEN replace(substr(c, strpos(c, '=') + 1), '\"\"', '''''') \
         ELSE quote_literal(substr(c, strpos(c, '=') + 1)) END \
       FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) c \
       WHERE s.setdatabase = $1::oid \
     UNION ALL SELECT format('COMMENT ON DATABASE %I IS %L', $2, shobj_description($1::oid, 'pg_database')) \
       WHERE shobj_description($1::oid, 'pg_database') IS NOT NULL \
     UNION ALL SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', $2) \
       FROM pg_database WHERE oid = $1::oid AND datacl IS NOT NULL \
     UNION ALL SELECT format('GRANT %s ON DATABASE %I TO %s', a.privilege_type, $2, \
         CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END) \
         || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END \
       FROM pg_database d, aclexplode(d.datacl) a WHERE d.oid = $1::oid";

/// How a database was made, as the words of CREATE DATABASE.
const MADE: &str = "SELECT d.oid::bigint, format('OWNER %I ENCODING %L LC_COLLATE %L LC_CTYPE %L CONNECTION LIMIT %s \
         TABLESPACE %I', pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, \
         d.datconnlimit, t.spcname) \
       || CASE to_jsonb(d)->>'datlocprovider' \
         WHEN 'i' THEN format(' LOCALE_PROVIDER icu ICU_LOCALE %L', \
           coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale')) \
         WHEN 'b' THEN format(' LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', to_jsonb(d)->>'datlocale') ELSE '' END \
     FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = $1";

/// A database that is there.
pub(super) struct Found {
    pub(super) oid: i64,
    made: String,
}

/// A connection that is not with the database that it is about.
pub(super) async fn connect(tools: &Tools, (secret, maintenance): (&str, &str)) -> Result<PgConnection, Sentence> {
    let options = tools::options(tools, secret)?.database(maintenance);
    let connected = tokio::time::timeout(CONNECTING, PgConnection::connect_with(&options)).await;
    let late = || sentence!("action.sql_not_reached", why => format!("{} s", CONNECTING.as_secs()));
    connected.map_err(|_| late())?.map_err(|error| match error {
        sqlx::Error::Database(error) => says(error.as_ref()),
        error => sentence!("action.sql_not_reached", why => error.to_string()),
    })
}

fn says(error: &dyn sqlx::error::DatabaseError) -> Sentence {
    sentence!("action.sql_says", message => error.message(), code => error.code().unwrap_or_default().into_owned())
}

/// What an error means where nothing can be lost by it.
pub(super) fn failed(error: sqlx::Error) -> Sentence {
    match error {
        sqlx::Error::Database(error) => says(error.as_ref()),
        error => sentence!("action.sql_lost", why => error.to_string()),
    }
}

/// A database by its name.
pub(super) async fn find(admin: &mut PgConnection, name: &str) -> Result<Option<Found>, Sentence> {
    let row = sqlx::query(MADE).bind(name).fetch_optional(admin).await.map_err(failed)?;
    let found = |row: sqlx::postgres::PgRow| Ok(Found { oid: row.try_get(0)?, made: row.try_get(1)? });
    row.map(found).transpose().map_err(failed)
}

/// A new, empty database made as the old one was; with the server's own settings where there is none.
pub(super) async fn create(admin: &mut PgConnection, name: &str, like: Option<&Found>) -> Result<(), Sentence> {
    let made = like.map_or("", |like| like.made.as_str());
    // The server quoted what it says of the old one.
    let text = format!("CREATE DATABASE {} TEMPLATE template0 {made}", quoted(name));
    admin.execute(AssertSqlSafe(text)).await.map(drop).map_err(failed)
}

/// Gives it the settings and privileges that the old one has and no dump holds.
pub(super) async fn settle(admin: &mut PgConnection, name: &str, like: &Found) -> Result<(), Sentence> {
    let said: Vec<String> =
        sqlx::query_scalar(LIKE).bind(like.oid).bind(name).fetch_all(&mut *admin).await.map_err(failed)?;
    for text in said {
        // Of the server's own making, with every name and value quoted.
        admin.execute(AssertSqlSafe(text)).await.map_err(failed)?;
    }
    Ok(())
}

/// Drops what a restore has left, if it is there. Best effort: what stays is named so that people know it.
pub(super) async fn tidy(cx: &StepContext, server: (&str, &str), name: &str) {
    let drop = async {
        let mut admin = connect(&cx.tools, server).await?;
        // What still works in it was ours.
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
        sqlx::query(end).bind(name).execute(&mut admin).await.map_err(failed)?;
        discard(&mut admin, name).await
    };
    match tokio::time::timeout(TIDYING, drop).await {
        Ok(Ok(())) => {}
        other => tracing::warn!(database = name, ?other, "a database that a restore began to fill is still there"),
    }
}

/// Drops a database that nobody is connected with.
pub(super) async fn discard(admin: &mut PgConnection, name: &str) -> Result<(), Sentence> {
    discarded(admin, name).await.map_err(failed)
}

/// The same, with the error as it came.
pub(super) async fn discarded(admin: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    let text = format!("DROP DATABASE IF EXISTS {}", quoted(name));
    admin.execute(AssertSqlSafe(text)).await.map(drop)
}
