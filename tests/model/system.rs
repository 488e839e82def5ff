//! The system: an engine on a SQLite file, a script that leaves a line in the file `effects`, and a life that can end
//! at any commit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sereno::catalog;
use sereno::chat::console::Console;
use sereno::clock::{Clock, Timestamp};
use sereno::config::Config;
use sereno::domain::actor::{Place, Platform};
use sereno::domain::approval::Approval;
use sereno::domain::digest;
use sereno::domain::run::Run;
use sereno::domain::step::{StepRun, StepState};
use sereno::engine::{Engine, Parts};
use sereno::executor::Tools;
use sereno::id::DeliveryId;
use sereno::store::inbox::{self, DeliveryState, Input};
use sereno::store::wake::Wake;
use sereno::store::{Store, approvals, runs, steps};
use tokio::runtime::Runtime;

use crate::deeds::Deed;

/// 2026-03-02, 10:00 UTC.
const START: i64 = 1_772_445_600_000;
/// Passes of a life that will crash: more than a run's way from its request to its end.
const PASSES: usize = 8;

const CONFIG: &str = r##"
environments: { prod: { approvals: 1 } }
people:
  - { id: ana, roles: [lead], console: { token: "token-of-ana-0123456789" } }
  - { id: leo, roles: [lead], console: { token: "token-of-leo-0123456789" } }
  - { id: eva, roles: [lead], console: { token: "token-of-eva-0123456789" } }
  - { id: vic, roles: [viewer], console: { token: "token-of-vic-0123456789" } }
roles: { viewer: {}, operator: {}, lead: { includes: [operator] } }
channels: { "#infra": { console: true, packs: [ops] } }
"##;

/// Takes `count` people; `more` are further steps.
fn book(name: &str, count: usize, more: &str, dir: &str) -> String {
    format!(
        r##"
name: {name}
summary: Destroys
params: [ {{ name: target, type: text, pattern: "[a-z]+" }} ]
environments: [prod]
allow: [ {{ roles: [operator] }} ]
lock: "{{{{ target }}}}"
approval: [ {{ environments: [prod], count: {count}, roles: [lead], expires: 10m }} ]
steps:
  - {{ id: first, title: First, action: shell, effect: destroy, with: {{ argv: ["{dir}/script", first, "{{{{ run.id }}}}"] }} }}
{more}"##
    )
}

/// A pause, and another step under the same approval.
fn second(dir: &str) -> String {
    format!(
        r##"  - {{ id: pause, title: Pause, action: wait, with: {{ for: 1m }} }}
  - {{ id: second, title: Second, action: shell, effect: destroy, with: {{ argv: ["{dir}/script", second, "{{{{ run.id }}}}"] }} }}
"##
    )
}

/// A system in its present life.
pub struct System {
    dir: tempfile::TempDir,
    config: Config,
    clock: Clock,
    version: usize,
    /// Who holds their role.
    leads: BTreeSet<String>,
    /// The delivery key of each person's last press of each button.
    keys: BTreeMap<String, String>,
    /// Every press that was accepted.
    presses: BTreeSet<DeliveryId>,
    life: Option<Life>,
}

/// A process: dropped, nothing of it goes on.
struct Life {
    runtime: Runtime,
    engine: Arc<Engine>,
}

/// A press that was accepted.
#[derive(Debug, Clone)]
pub struct Press {
    pub delivery: DeliveryId,
    pub run: String,
}

/// All that can be seen at one moment.
pub struct Look {
    pub now: Timestamp,
    pub leads: BTreeSet<String>,
    pub runs: Vec<(Run, Vec<StepRun>, Vec<Approval>)>,
    /// Step, run, version.
    pub effects: Vec<(String, String, String)>,
    /// Presses that were dealt with.
    pub done: BTreeSet<DeliveryId>,
    /// The version of the script with this SHA-256.
    pub versions: BTreeMap<String, String>,
}

impl System {
    pub fn new() -> Self {
        let shm = PathBuf::from("/dev/shm");
        let place = if shm.is_dir() { shm } else { std::env::temp_dir() };
        let dir = tempfile::Builder::new().prefix("sereno-model-").tempdir_in(place).unwrap();
        let at = dir.path().display().to_string();
        std::fs::create_dir_all(dir.path().join("commands/ops")).unwrap();
        for (name, count, more) in [("alone", 1, String::new()), ("phases", 1, second(&at)), ("pair", 2, String::new())]
        {
            std::fs::write(dir.path().join(format!("commands/ops/{name}.yaml")), book(name, count, &more, &at))
                .unwrap();
        }
        let config = Config::read("model.yaml", CONFIG, &BTreeMap::new()).unwrap();
        let leads = ["ana", "leo", "eva"].map(str::to_owned).into();
        let clock = Clock::manual(Timestamp(START));
        let mut system =
            Self { dir, config, clock, version: 0, leads, keys: BTreeMap::new(), presses: BTreeSet::new(), life: None };
        system.write_script();
        system.start();
        system
    }

    /// Does a deed; gives the press that it was.
    pub fn does(&mut self, deed: &Deed) -> Option<Press> {
        match deed {
            Deed::Ask(book, target) => {
                let text = format!("/ops {book} {target} prod");
                self.accept(DeliveryId::new().to_string(), Input::Text { by: "ana".into(), place: place(), text });
            }
            Deed::Press { who, button, run, again } => return self.press(who, button, *run, *again),
            Deed::Wait(minutes) => self.clock.forward(Duration::from_secs(minutes * 60)),
            Deed::Swap => {
                self.version += 1;
                self.write_script();
            }
            Deed::Revoke(who) => {
                self.leads.remove(*who);
                self.tell_roles();
            }
            Deed::Grant(who) => {
                self.leads.insert((*who).to_owned());
                self.tell_roles();
            }
            Deed::Settle => {
                let Life { runtime, engine } = self.life();
                runtime.block_on(engine.settle()).unwrap();
            }
            Deed::Restart => self.start(),
            Deed::Crash(commits) => self.crash(*commits),
        }
        None
    }

    /// Looks at everything.
    pub fn look(&self) -> Look {
        let Life { runtime, engine } = self.life();
        let text = std::fs::read_to_string(self.dir.path().join("effects")).unwrap_or_default();
        let effects = text.lines().map(|line| {
            let mut words = line.split(' ').map(str::to_owned);
            let mut word = || words.next().unwrap_or_default();
            (word(), word(), word())
        });
        let versions =
            (0..=self.version).map(|version| (digest::sha256(self.script(version).as_bytes()), version.to_string()));
        let (runs, done) = runtime.block_on(read(&engine.store, &self.presses));
        Look {
            now: self.clock.now(),
            leads: self.leads.clone(),
            runs,
            effects: effects.collect(),
            done,
            versions: versions.collect(),
        }
    }

    /// Whether the chain holds.
    pub fn audit_is_whole(&self) -> Result<(), String> {
        let Life { runtime, engine } = self.life();
        runtime.block_on(sereno::audit::verify(&engine.store, &[])).map(drop).map_err(|fault| fault.to_string())
    }

    fn life(&self) -> &Life {
        self.life.as_ref().expect("it lives between deeds")
    }

    /// Ends this life, if there is one, and begins the next on what it left.
    fn start(&mut self) {
        self.life = None;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let engine = runtime.block_on(async {
            let store = Store::open(&format!("sqlite://{}/sereno.db", self.dir.path().display())).unwrap();
            store.migrate().await.unwrap();
            let commands = self.dir.path().join("commands");
            let engine = Engine::new(Parts {
                store,
                clock: self.clock.clone(),
                settings: self.config.settings.clone(),
                catalog: catalog::load(&commands, &self.config.settings).unwrap(),
                chats: vec![Arc::new(Console::default())],
                tools: Tools::default(),
                wake: Wake::default(),
            });
            engine.recover().await.unwrap();
            engine
        });
        self.life = Some(Life { runtime, engine });
        self.tell_roles();
    }

    /// Goes on until so many commits are stored, and dies.
    fn crash(&mut self, commits: usize) {
        fail::cfg("store.before_commit", &format!("{commits}*off->return")).unwrap();
        let Life { runtime, engine } = self.life();
        runtime.block_on(async {
            for _ in 0..PASSES {
                let failed = engine.turn().await.is_err();
                // What was started is done, whether or not its end can be stored: then no line comes late.
                if !steps::in_state(&mut engine.store.read().await.unwrap(), StepState::Running)
                    .await
                    .unwrap()
                    .is_empty()
                {
                    tokio::time::sleep(Duration::from_millis(25)).await;
                }
                if failed {
                    break;
                }
            }
        });
        fail::remove("store.before_commit");
        self.start();
    }

    fn press(&mut self, who: &str, button: &str, run: usize, again: bool) -> Option<Press> {
        let Life { runtime, engine } = self.life();
        let latest = async { runs::latest(&mut engine.store.read().await.unwrap(), 100).await.unwrap() };
        let all = runtime.block_on(latest);
        let run = all.get(run)?;
        let fresh = DeliveryId::new().to_string();
        let name = format!("{who} {button} {}", run.id);
        let key = self.keys.get(&name).filter(|_| again).cloned().unwrap_or(fresh);
        self.keys.insert(name, key.clone());
        let (message, button) = (run.body.message.clone(), button.to_owned());
        let values = BTreeMap::new();
        let delivery = self.accept(key, Input::Press { by: who.into(), place: place(), message, button, values });
        self.presses.insert(delivery.clone());
        Some(Press { delivery, run: run.id.to_string() })
    }

    fn accept(&self, key: String, input: Input) -> DeliveryId {
        let Life { runtime, engine } = self.life();
        runtime.block_on(engine.accept(key, input)).unwrap()
    }

    fn tell_roles(&self) {
        let mut settings = self.config.settings.clone();
        for (id, person) in settings.people.iter_mut().filter(|(id, _)| *id != "vic") {
            person.roles = if self.leads.contains(id) { vec!["lead".to_owned()] } else { Vec::new() };
        }
        self.life().engine.settings.store(Arc::new(settings));
    }

    fn script(&self, version: usize) -> String {
        format!("#!/bin/sh\necho \"$1 $2 {version}\" >> {}/effects\n", self.dir.path().display())
    }

    /// Written beside and renamed, so that nobody holds it open for writing when it is run.
    fn write_script(&self) {
        use std::os::unix::fs::PermissionsExt;
        let (script, beside) = (self.dir.path().join("script"), self.dir.path().join("script.new"));
        std::fs::write(&beside, self.script(self.version)).unwrap();
        std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(beside, script).unwrap();
    }
}

type Runs = Vec<(Run, Vec<StepRun>, Vec<Approval>)>;

async fn read(store: &Store, presses: &BTreeSet<DeliveryId>) -> (Runs, BTreeSet<DeliveryId>) {
    let mut db = store.read().await.unwrap();
    let mut all = Vec::new();
    for run in runs::latest(&mut db, 100).await.unwrap() {
        let steps = steps::of_run(&mut db, &run.id).await.unwrap();
        let approvals = approvals::of_run(&mut db, &run.id).await.unwrap();
        all.push((run, steps, approvals));
    }
    let mut done = BTreeSet::new();
    for press in presses {
        if inbox::state(&mut db, press).await.unwrap() == Some(DeliveryState::Done) {
            done.insert(press.clone());
        }
    }
    (all, done)
}

fn place() -> Place {
    Place::channel(Platform::Console, "#infra")
}
