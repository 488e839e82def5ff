//! `sql_backup`: a dump of a database that is complete, and proven to be, before it has its name; and a look at one.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use super::dump::manifest::{self, Manifest, Rows};
use super::dump::place::Place;
use super::dump::source::{Format, Kind};
use super::dump::{count, proof, source, tools};
use super::fields::Database;
use super::session::{self, Broken, Fault, Progress, nothing};
use crate::clock::Timestamp;
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};
use crate::domain::text_enum;
use crate::executor::attempt::{needed, only};
use crate::executor::process::Spec;
use crate::executor::value::Text;
use crate::executor::{Action, ActionSpec, Probe, StepContext, Tools, read, schema_of};

/// Its row in the table.
pub(in crate::executor) const SPEC: ActionSpec = ActionSpec {
    name: "sql_backup",
    summary: "Dumps a PostgreSQL database into a file that is proven to be complete, or looks at such a file.",
    example: "do: dump\ndatabase: {secret: shop_db}\ndir: /var/backups/shop\nfile: shop_20260301.dump\n",
    schema: schema_of::<Fields>,
    parse: |with| Ok(Box::new(read::<Fields>(with)?.check()?)),
};

text_enum! {
    /// What to do with a backup.
    Verb {
        /// Makes one.
        Dump = "dump",
        /// Reads one to its end, and changes nothing.
        Inspect = "inspect",
    }
}

/// A backup of a PostgreSQL database. Facts of `dump`: `file`, `bytes`, `sha256`, `seconds`, `rows` (by schema and table,
/// as in `rows.public.orders`, of the very snapshot that was dumped), `tables`, `rows_total`, `server_version`. Facts of
/// `inspect`, which fails for what is cut off or broken: `complete`, `format`, `gzip`, `bytes`, `sha256`, `age_seconds`,
/// `manifest` (whether a note of `dump` lies beside it), and with one `rows`, `tables`, `rows_total`, `database`,
/// `server_version`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fields {
    /// What to do.
    r#do: Verb,
    /// `dump`: the database, a secret of the configuration that holds a `postgres://` URL.
    #[serde(default)]
    database: Option<Database>,
    /// The directory, an absolute path. Takes no placeholder.
    #[schemars(extend("x-literal" = true))]
    dir: String,
    /// The file's name in it: letters, digits, `.`, `-` and `_`. A dump never takes the place of another.
    file: Text,
    /// `dump`: `custom` (PostgreSQL's archive, compressed) or `plain` (SQL, without owners and privileges). Without,
    /// `custom`.
    #[serde(default)]
    format: Option<Format>,
}

/// A step that fits together.
#[derive(Debug)]
struct Backup {
    place: Place,
    job: Job,
}

#[derive(Debug)]
enum Job {
    /// The secret's name, and how it is written.
    Dump {
        database: String,
        format: Format,
    },
    Inspect,
}

impl Fields {
    fn check(self) -> Result<Backup, Sentence> {
        let place = Place::new(&self.dir, &self.file.0)?;
        let verb = self.r#do;
        let dump: &[Verb] = &[Verb::Dump];
        only(&verb, &[(self.database.is_some(), "database", dump), (self.format.is_some(), "format", dump)])?;
        let job = match verb {
            Verb::Dump => Job::Dump {
                database: needed(self.database, "database", &verb)?.secret,
                format: self.format.unwrap_or(Format::Custom),
            },
            Verb::Inspect => Job::Inspect,
        };
        Ok(Backup { place, job })
    }
}

#[async_trait]
impl Action for Backup {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        super::at_least(self.least(), declared)
    }

    fn secrets(&self) -> Vec<String> {
        match &self.job {
            Job::Dump { database, .. } => vec![database.clone()],
            Job::Inspect => Vec::new(),
        }
    }

    async fn plan(&self, tools: &Tools) -> Result<Plan, Sentence> {
        let (dir, file) = (self.place.dir.display().to_string(), self.place.file.as_str());
        let shown = self.place.shown();
        let (target, line, mut exact) = match &self.job {
            Job::Dump { database, format } => {
                if self.place.path().exists() {
                    return Err(sentence!("action.sql_exists", file => shown));
                }
                let name = tools::database(tools, database)?;
                let line =
                    sentence!("action.sql_dump", name => name.as_str(), file => shown, format => format.as_str());
                let exact = json!({ "secret": database, "database": name, "format": format });
                (sentence!("action.sql_database", name => database), line, exact)
            }
            Job::Inspect => {
                (Sentence::plain(&shown), sentence!("action.sql_inspect", file => shown.as_str()), json!({}))
            }
        };
        exact["dir"] = json!(dir);
        exact["file"] = json!(file);
        Ok(Plan { action: SPEC.name.to_owned(), effect: self.least(), target, line, exact })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        let progress = Progress::default();
        match &self.job {
            Job::Dump { database, format } => {
                let work = async { self.dump(cx, (database, *format), &progress).await };
                session::attend(cx, database, &progress, work).await
            }
            Job::Inspect => session::attend(cx, "", &progress, self.inspect(cx)).await,
        }
    }

    fn probe<'p>(&'p self, cx: &'p StepContext) -> Option<BoxFuture<'p, Probe>> {
        matches!(self.job, Job::Dump { .. }).then(|| std::future::ready(self.look_back(cx)).boxed())
    }
}

impl Backup {
    fn least(&self) -> Effect {
        match self.job {
            Job::Dump { .. } => Effect::Change,
            Job::Inspect => Effect::Read,
        }
    }

    async fn inspect(&self, cx: &StepContext) -> Result<Report, Broken> {
        let mut facts = json!({ "complete": false });
        let failed = |facts: &Value, why| (facts.clone(), Fault::Failed(why));
        let mut file = self.place.open().map_err(|why| failed(&facts, why))?;
        let modified = file.metadata().and_then(|data| data.modified()).ok().and_then(millis);
        let kind = source::kind(&mut file).map_err(|why| failed(&facts, why))?;
        facts["format"] = json!(kind.format);
        facts["gzip"] = json!(kind.gzip);
        let seen = proof::prove(cx, file, kind).await.map_err(|why| failed(&facts, why))?;
        facts["bytes"] = json!(seen.bytes);
        facts["sha256"] = json!(seen.sha256);
        let note = Manifest::beside(&self.place).map_err(|why| failed(&facts, why))?;
        facts["manifest"] = json!(note.is_some());
        let taken = note.as_ref().map(|note| note.taken_at).or(modified);
        facts["age_seconds"] = json!(taken.map(|taken| cx.started_at.since(taken).as_secs()));
        if let Some(note) = note {
            if note.sha256 != seen.sha256 {
                return Err(failed(&facts, sentence!("action.sql_other_note", file => self.place.shown())));
            }
            facts["database"] = json!(note.database);
            facts["server_version"] = json!(note.server_version);
            manifest::facts(&note.rows).into_iter().for_each(|(name, fact)| facts[name] = fact);
        }
        facts["complete"] = json!(true);
        let age = facts["age_seconds"].as_i64().unwrap_or_default();
        let line = sentence!("action.sql_inspected", format => kind.format.as_str(), bytes => seen.bytes, age);
        Ok(Report::new(facts, line))
    }

    async fn dump(
        &self,
        cx: &StepContext,
        (database, format): (&str, Format),
        progress: &Progress,
    ) -> Result<Report, Broken> {
        let failed = |why| nothing(Fault::Failed(why));
        let begun = Instant::now();
        let program = tools::program("pg_dump").await.map_err(failed)?;
        let options = session::address(&cx.tools, database).map_err(nothing)?;
        let deadline = tokio::time::Instant::now() + cx.timeout;
        let begin = Some("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        let opened = session::open(&options, begin, deadline, progress).await;
        let mut connection = opened.map_err(|error| nothing(progress.fault(error)))?;
        let shot = snapshot(&mut connection).await.map_err(|error| nothing(progress.fault(error)))?;
        if program.major < shot.major {
            let (found, server) = (program.version, shot.version);
            return Err(failed(sentence!("action.sql_too_old", found, server)));
        }
        let mut part = Part::create(&self.place, &cx.idempotency_key).map_err(|why| failed(self.unwritten(&why)))?;
        let spec = Spec {
            program: program.path,
            args: arguments(&tools::database(&cx.tools, database).map_err(failed)?, format, &shot.id),
            env: tools::environment(&cx.tools, database).map_err(failed)?,
            ..Spec::default()
        };
        part.fill(cx, &spec).await.map_err(failed)?;
        drop(connection);
        let kind = Kind { format, gzip: false };
        let file = part.finished().await.map_err(|why| failed(self.unwritten(&why)))?;
        let seen = proof::prove(cx, file, kind).await.map_err(failed)?;
        let note = Manifest {
            sereno_backup: 1,
            database: tools::database(&cx.tools, database).map_err(failed)?,
            format,
            server_version: shot.version,
            taken_at: cx.started_at,
            bytes: seen.bytes,
            sha256: seen.sha256,
            rows: shot.rows,
        };
        part.publish(&self.place, &note).map_err(|why| failed(self.unwritten(&why)))?;
        Ok(self.report(&note, begun.elapsed().as_secs()))
    }

    /// Whether the backup of an attempt whose end nobody heard is there: its note is written last, and says when.
    fn look_back(&self, cx: &StepContext) -> Probe {
        let Ok(file) = std::fs::metadata(self.place.path()) else {
            return Probe::Seen(sentence!("action.sql_no_backup_yet", file => self.place.shown()));
        };
        let note = Manifest::beside(&self.place).ok().flatten();
        match note.filter(|note| note.taken_at == cx.started_at && note.bytes == file.len()) {
            Some(note) => {
                let written = file.modified().ok().and_then(millis).unwrap_or(cx.started_at);
                Probe::happened(self.report(&note, written.since(cx.started_at).as_secs()))
            }
            None => Probe::Seen(sentence!("action.sql_backup_without_note", file => self.place.shown())),
        }
    }

    fn report(&self, note: &Manifest, seconds: u64) -> Report {
        let mut facts = Map::new();
        for (name, fact) in [
            ("file", json!(self.place.shown())),
            ("bytes", json!(note.bytes)),
            ("sha256", json!(note.sha256)),
            ("seconds", json!(seconds)),
            ("server_version", json!(note.server_version)),
        ]
        .into_iter()
        .chain(manifest::facts(&note.rows))
        {
            facts.insert(name.to_owned(), fact);
        }
        let rows = facts["rows_total"].as_i64().unwrap_or_default();
        let tables = facts["tables"].as_i64().unwrap_or_default();
        let line = sentence!("action.sql_dumped", bytes => note.bytes, rows, tables, seconds);
        Report::new(Value::Object(facts), line)
    }

    fn unwritten(&self, why: &io::Error) -> Sentence {
        match why.kind() {
            io::ErrorKind::AlreadyExists => sentence!("action.sql_exists", file => self.place.shown()),
            _ => sentence!("action.sql_not_written", file => self.place.shown(), why => why.to_string()),
        }
    }
}

fn millis(at: std::time::SystemTime) -> Option<Timestamp> {
    let since = at.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok().map(Timestamp)
}

/// What the dump will see, too.
struct Snapshot {
    id: String,
    version: String,
    major: u32,
    rows: Rows,
}

/// Opens the view of the data that the dump shares, and counts in it.
async fn snapshot(connection: &mut PgConnection) -> Result<Snapshot, sqlx::Error> {
    // Rows that a policy would hide are an error, here as in the dump.
    let versions = "SELECT pg_export_snapshot(), current_setting('server_version'), \
                    current_setting('server_version_num')::int / 10000, set_config('row_security', 'off', true)";
    let (id, version, major, _): (String, String, i32, String) =
        sqlx::query_as(versions).fetch_one(&mut *connection).await?;
    let rows = count::rows(connection).await?;
    Ok(Snapshot { id, version, major: u32::try_from(major).unwrap_or(0), rows })
}

fn arguments(database: &str, format: Format, snapshot: &str) -> Vec<String> {
    let mut args = vec![
        format!("--format={}", format.as_str()),
        format!("--snapshot={snapshot}"),
        "--verbose".to_owned(),
        "--no-password".to_owned(),
    ];
    if format == Format::Plain {
        // SQL cannot be restored without them later, and roles may be missing then.
        args.extend(["--no-owner".to_owned(), "--no-privileges".to_owned()]);
    }
    args.push(tools::named(database));
    args
}

/// A file that is not yet a backup; gone when dropped.
struct Part {
    path: PathBuf,
    file: File,
}

impl Part {
    /// `key` tells attempts that may run at the same time apart.
    fn create(place: &Place, key: &str) -> io::Result<Self> {
        let path = place.dir.join(format!(".{}.{key}.part", place.file));
        if place.path().exists() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        // What this step's attempt left in a process that was killed.
        let _ = std::fs::remove_file(&path);
        let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { path, file })
    }

    /// Writes what a program prints. It is stopped when that is not possible.
    async fn fill(&mut self, cx: &StepContext, spec: &Spec) -> Result<(), Sentence> {
        let stop = cx.cancel.child_token();
        let mut wrong: Option<io::Error> = None;
        let until = StepContext { cancel: CancellationToken::clone(&stop), ..cx.clone() };
        let file = &mut self.file;
        let mut write = |bytes: &[u8]| {
            if wrong.is_none()
                && let Err(error) = file.write_all(bytes)
            {
                wrong = Some(error);
                stop.cancel();
            }
        };
        let ran = tools::run(&until, spec, None, Some(&mut write)).await;
        match wrong {
            Some(why) => Err(
                sentence!("action.sql_not_written", file => self.path.display().to_string(), why => why.to_string()),
            ),
            None => ran.map(drop),
        }
    }

    /// The same file, safe on disk, to be read.
    async fn finished(&self) -> io::Result<File> {
        let file = self.file.try_clone()?;
        let synced = tokio::task::spawn_blocking(move || file.sync_all().map(|()| file)).await;
        synced.map_err(io::Error::other)?
    }

    /// Gives it its name, now that it is whole; never in place of another.
    fn publish(self, place: &Place, note: &Manifest) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(note)?;
        let noted = self.path.with_extension("note");
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&noted)?;
        file.write_all(&text)?;
        file.sync_all()?;
        // A link, where a rename would take the place of what has come to have this name.
        if let Err(error) = std::fs::hard_link(&self.path, place.path()) {
            let _ = std::fs::remove_file(&noted);
            return Err(error);
        }
        std::fs::rename(&noted, place.manifest())?;
        sync(&place.dir)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Makes the names in a directory safe on disk.
fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
