//! The parent: draws schedules from a seed, starts a process for each life, and gathers what was found.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use crate::dice::Dice;
use crate::life::{ENTRY, Life};
use crate::points::{Kill, LOST, POINTS};
use crate::state::lines;

/// Most lives of a schedule that end by a kill.
const KILLS: u64 = 4;
/// Hits of all points in a life, about: kills are drawn below it.
const HITS: u64 = 150;
/// Hits of one point in a life, about.
const HITS_OF_ONE: u64 = 4;
/// Longest that a life may last.
const LONGEST: Duration = Duration::from_secs(300);

/// A search.
pub struct Harness {
    /// How many schedules.
    pub schedules: u32,
    /// A defect to seed: then the search ends when something is found.
    defect: Option<&'static str>,
    /// The PostgreSQL server, or none for SQLite.
    server: Option<String>,
    seed: u64,
}

/// Each journal point must have killed at least once in so many schedules.
const SCHEDULES_A_KILL: u32 = 50;
/// Schedules that may be added until each has: twice each point's own.
const MORE: u32 = 2 * POINTS.len() as u32;

/// What a search found.
#[derive(Default)]
pub struct Found {
    pub violations: Vec<String>,
    pub points: BTreeMap<String, Hits>,
    /// Schedules that were run.
    pub schedules: u32,
    lives: u32,
    effects: usize,
    said: usize,
    what: String,
}

/// How often a point was passed, and how often it was the end.
#[derive(Debug, Default, Clone, Copy)]
pub struct Hits {
    pub passed: u64,
    pub kills: u64,
}

/// How many schedules: what the variable says, or what CI runs.
pub fn size(variable: &str, ci: u32) -> u32 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(ci)
}

/// The server's URL; without one the test says that it is skipped, and fails where everything must run.
pub fn postgres_server() -> Option<String> {
    let server = std::env::var("SERENO_TEST_POSTGRES").ok().filter(|url| !url.is_empty());
    if server.is_none() {
        eprintln!("skipped: PostgreSQL (SERENO_TEST_POSTGRES is not set)");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "PostgreSQL must be here");
    }
    server
}

impl Harness {
    /// A search on SQLite.
    pub fn sqlite(schedules: u32) -> Self {
        let seed = std::env::var("SERENO_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(fresh_seed);
        Self { schedules, defect: None, server: None, seed }
    }

    /// A search on PostgreSQL.
    pub fn postgres(schedules: u32, server: String) -> Self {
        Self { server: Some(server), ..Self::sqlite(schedules) }
    }

    /// The same with a defect.
    pub fn seeding(self, defect: &'static str) -> Self {
        Self { defect: Some(defect), ..self }
    }

    /// Searches.
    pub fn run(&self) -> Found {
        let (next, stop) = (AtomicU32::new(0), AtomicBool::new(false));
        let place = if Path::new("/dev/shm").is_dir() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() };
        let root = tempfile::Builder::new().prefix("sereno-kill-").tempdir_in(place).unwrap();
        let store = if self.server.is_some() { "PostgreSQL" } else { "SQLite" };
        let what = format!("{store}, seed {}, commit {}", self.seed, commit());
        println!("kill harness: {} schedules on {what}", self.schedules);
        let found = Mutex::new(Found { what, ..Found::default() });
        std::thread::scope(|scope| {
            for worker in 0..std::thread::available_parallelism().map_or(2, usize::from) {
                let (next, stop, found, root) = (&next, &stop, &found, root.path());
                scope.spawn(move || {
                    let database = self.server.as_deref().map(|server| Database::create(server, worker));
                    loop {
                        let schedule = next.fetch_add(1, Ordering::SeqCst);
                        // On a loaded machine an aimed kill may miss its point; then the aims go round again.
                        let enough = schedule >= self.schedules + MORE
                            || (schedule >= self.schedules && (self.defect.is_some() || self.went_everywhere(found)));
                        if enough || stop.load(Ordering::SeqCst) {
                            return;
                        }
                        let dir = root.join(schedule.to_string());
                        std::fs::create_dir(&dir).unwrap();
                        let url = database.as_ref().map(|database| database.url.clone());
                        let url = url.unwrap_or_else(|| format!("sqlite://{}/sereno.db", dir.display()));
                        let wrong = self.schedule(schedule, &dir, &url, found);
                        stop.fetch_or(wrong && self.defect.is_some(), Ordering::SeqCst);
                        std::fs::remove_dir_all(&dir).unwrap();
                    }
                });
            }
        });
        found.into_inner().unwrap()
    }

    /// How often each point must have killed.
    pub fn least(&self) -> u64 {
        u64::from((self.schedules / SCHEDULES_A_KILL).max(1))
    }

    fn went_everywhere(&self, found: &Mutex<Found>) -> bool {
        let found = lock(found);
        POINTS.iter().all(|point| found.points.get(*point).is_some_and(|hits| hits.kills >= self.least()))
    }

    /// One schedule: up to four lives that are killed, and one that checks. Gives whether something is wrong.
    fn schedule(&self, schedule: u32, dir: &Path, url: &str, found: &Mutex<Found>) -> bool {
        let mut dice = Dice::new(self.seed, u64::from(schedule));
        let mut kills = aimed(schedule);
        kills.extend((0..dice.below(KILLS)).map(|_| draw(&mut dice)));
        let seed = dice.next();
        let mut wrong = Vec::new();
        let lives = u32::try_from(kills.len()).unwrap() + 1;
        for (number, kill) in (0..).zip(kills.iter().map(Some).chain([None])) {
            let life = Life {
                dir: dir.to_owned(),
                url: url.to_owned(),
                seed,
                number,
                kill: kill.cloned(),
                defect: self.defect.map(str::to_owned),
                last: kill.is_none(),
            };
            wrong.extend(live(&life));
        }
        if !dir.join("violations").exists() {
            wrong.push("nothing was checked".to_owned());
        }
        wrong.extend(lines(dir, "violations"));
        let mut found = lock(found);
        found.schedules += 1;
        found.lives += lives;
        found.effects += lines(dir, "effects").len();
        found.said += lines(dir, "said").len();
        for line in lines(dir, "points") {
            let hits = found.points.entry(line.trim_start_matches('!').to_owned()).or_default();
            if line.starts_with('!') { hits.kills += 1 } else { hits.passed += 1 }
        }
        let of = format!("schedule {schedule} of seed {}, killed at {kills:?}", self.seed);
        found.violations.extend(wrong.iter().map(|wrong| format!("{wrong} ({of})")));
        !wrong.is_empty()
    }
}

/// The kills that a schedule begins with: its own point's, so that few schedules too go everywhere. One point is only
/// passed by a life that finds what a killed one left in mid-step.
fn aimed(schedule: u32) -> Vec<Kill> {
    let at = |point: &str| Kill { point: Some(point.to_owned()), hit: 1 };
    match POINTS[schedule as usize % POINTS.len()] {
        LOST => vec![at("engine.after_start"), at(LOST)],
        point => vec![at(point)],
    }
}

/// A kill: some at the k-th hit of any point, some at that of one, and some at the point that only a life passes which
/// comes after a crash in mid-step.
fn draw(dice: &mut Dice) -> Kill {
    let (point, hits) = match dice.below(16) {
        0..8 => (None, HITS),
        8..14 => (Some(*dice.pick(POINTS)), HITS_OF_ONE),
        _ => (Some(LOST), 1),
    };
    Kill { point: point.map(str::to_owned), hit: 1 + u32::try_from(dice.below(hits)).unwrap() }
}

/// Starts a life and waits for its end. Gives what was wrong with it: it may be killed by itself, or end well.
fn live(life: &Life) -> Option<String> {
    let log = std::fs::File::create(life.dir.join(format!("log-{}", life.number))).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "life", "--ignored", "--nocapture", "--test-threads=1"])
        .env(ENTRY, serde_json::to_string(life).unwrap())
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let status = wait(&mut child)?;
    let killed = std::os::unix::process::ExitStatusExt::signal(&status) == Some(9);
    if status.success() || (killed && life.kill.is_some()) {
        return None;
    }
    let log = lines(&life.dir, &format!("log-{}", life.number));
    Some(format!("life {} ended with {status}: {}", life.number, log.join(" / ")))
}

fn wait(child: &mut Child) -> Option<std::process::ExitStatus> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if started.elapsed() > LONGEST {
            child.kill().unwrap();
            return Some(child.wait().unwrap());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl Found {
    /// Whether some violation says this.
    pub fn names(&self, what: &str) -> bool {
        self.violations.iter().any(|violation| violation.contains(what))
    }

    /// Prints what was searched.
    pub fn show(&self) {
        println!("{} schedules on {}", self.schedules, self.what);
        let kills: u64 = self.points.values().map(|hits| hits.kills).sum();
        println!("{} lives, {kills} kills, {} effects, {} acknowledged", self.lives, self.effects, self.said);
        println!("{:32} {:>9} {:>7}", "journal point", "passed", "kills");
        for (point, hits) in &self.points {
            println!("{point:32} {:>9} {:>7}", hits.passed, hits.kills);
        }
        println!("{} violations", self.violations.len());
        self.violations.iter().for_each(|violation| println!("{violation}"));
    }
}

/// A worker's own database on a server; dropped with it.
struct Database {
    server: String,
    name: String,
    url: String,
}

impl Database {
    fn create(server: &str, worker: usize) -> Self {
        let name = format!("sereno_kill_{}_{worker}", std::process::id());
        let url = PgConnectOptions::from_str(server).unwrap().database(&name).to_url_lossy().to_string();
        sql(server, format!("CREATE DATABASE {name}"));
        Self { server: server.to_owned(), name, url }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        sql(&self.server, format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

fn sql(server: &str, statement: String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut admin = PgConnection::connect(server).await.unwrap();
        admin.execute(AssertSqlSafe(statement)).await.unwrap();
    });
}

/// The commit that is searched.
fn commit() -> String {
    let git = Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).output();
    git.map_or_else(|_| "unknown".to_owned(), |git| String::from_utf8_lossy(&git.stdout).trim().to_owned())
}

fn fresh_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs() * 1_000 + u64::from(now.subsec_millis()))
}

fn lock(found: &Mutex<Found>) -> MutexGuard<'_, Found> {
    found.lock().unwrap_or_else(PoisonError::into_inner)
}
