//! The database goes away in the middle and comes back: what was under way is taken up again promptly, and nothing is
//! done twice.
#![cfg(feature = "faults")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use sereno::catalog;
use sereno::chat::{Chat, ChatError, Outgoing};
use sereno::clock::{Clock, Timestamp};
use sereno::config::Config;
use sereno::domain::actor::{Place, Platform};
use sereno::domain::step::StepState;
use sereno::engine::{Engine, Parts};
use sereno::executor::Tools;
use sereno::id::DeliveryId;
use sereno::store::inbox::Input;
use sereno::store::wake::Wake;
use sereno::store::{messages, steps};
use support::{Database, each_database};

const CONFIG: &str = r##"
people: [{ id: ana, roles: [operator], console: { token: "token-of-ana-0123456789" } }]
environments: { dev: {} }
channels: { "#infra": { console: true } }
"##;

const SLOW: &str = r#"
name: slow
summary: Waits until it is told to go
allow:
  - { roles: [operator] }
environments: [dev]
steps:
  - id: wait
    title: Wait for the word
    action: shell
    with: { argv: ["${dir}/slow"] }
    effect: read
    timeout: 30s
"#;

/// A platform that counts how often it was asked to post each message.
#[derive(Default)]
struct Counting(Mutex<BTreeMap<String, usize>>);

#[async_trait]
impl Chat for Counting {
    fn platform(&self) -> Platform {
        Platform::Console
    }
    async fn post(&self, message: Outgoing<'_>) -> Result<String, ChatError> {
        *self.0.lock().unwrap().entry(message.id.to_string()).or_default() += 1;
        Ok(message.id.to_string())
    }
    async fn edit(&self, _: &str, _: Outgoing<'_>) -> Result<(), ChatError> {
        Ok(())
    }
}

struct World {
    engine: Arc<Engine>,
    chat: Arc<Counting>,
    clock: Clock,
}

fn world(database: &Database, dir: &Path) -> World {
    let commands = dir.join("commands");
    std::fs::create_dir_all(commands.join("shop")).unwrap();
    std::fs::write(commands.join("shop/slow.yaml"), SLOW.replace("${dir}", &dir.display().to_string())).unwrap();
    let config = Config::read("x.yaml", CONFIG, &BTreeMap::new()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let catalog = catalog::load(&commands, &config.settings)
        .unwrap_or_else(|problems| panic!("{}", catalog::render(&problems, catalog::Format::Text)));
    let (clock, chat) = (Clock::manual(Timestamp(1_772_445_600_000)), Arc::new(Counting::default()));
    let engine = Engine::new(Parts {
        store: database.another(),
        clock: clock.clone(),
        settings: config.settings,
        catalog,
        chats: vec![Arc::clone(&chat) as Arc<dyn Chat>],
        tools: Tools::new(config.secrets, &[], None),
        wake: Wake::default(),
    });
    World { engine, chat, clock }
}

impl World {
    async fn says(&self, text: &str) -> DeliveryId {
        let place = Place::channel(Platform::Console, "#infra");
        let input = Input::Text { by: "ana".into(), place, text: text.into() };
        self.engine.accept(DeliveryId::new().to_string(), input).await.unwrap()
    }

    async fn answers(&self, delivery: &DeliveryId) -> usize {
        let mut db = self.engine.store.read().await.unwrap();
        messages::replies_to(&mut db, delivery).await.unwrap().len()
    }
}

/// Commits fail as `how` says for one pass of the engine.
async fn a_pass_while(world: &World, point: &str, how: &str) {
    fail::cfg(point, how).unwrap();
    let _ = world.engine.turn().await;
    fail::remove(point);
}

#[tokio::test]
async fn a_request_that_could_not_be_given_back_is_handled_as_soon_as_the_database_answers() {
    let _alone = fail::FailScenario::setup();
    each_database(async |database| {
        let dir = tempfile::tempdir().unwrap();
        let world = world(&database, dir.path());
        // Neither is it handled nor can it be given back.
        let asked = world.says("/ops help").await;
        a_pass_while(&world, "store.before_commit", "1*off->return").await;
        assert_eq!(world.answers(&asked).await, 0);
        world.engine.turn().await.unwrap();
        world.clock.forward(Duration::from_secs(2));
        world.engine.settle().await.unwrap();
        assert_eq!(world.answers(&asked).await, 1, "not only when its lease is over");
        // It is taken, and the answer to that is lost.
        let asked = world.says("/ops help").await;
        a_pass_while(&world, "store.after_commit", "return").await;
        assert_eq!(world.answers(&asked).await, 0);
        world.engine.turn().await.unwrap();
        world.clock.forward(Duration::from_secs(2));
        world.engine.settle().await.unwrap();
        assert_eq!(world.answers(&asked).await, 1);
        // It is handled, and the answer to that is lost.
        let asked = world.says("/ops help").await;
        a_pass_while(&world, "store.after_commit", "1*off->return").await;
        for _ in 0..40 {
            world.clock.forward(Duration::from_secs(1));
            world.engine.settle().await.unwrap();
        }
        assert_eq!(world.answers(&asked).await, 1, "it is not handled twice");
    })
    .await;
}

#[tokio::test]
async fn what_was_posted_while_the_database_went_away_is_not_posted_again() {
    let _alone = fail::FailScenario::setup();
    each_database(async |database| {
        let dir = tempfile::tempdir().unwrap();
        let world = world(&database, dir.path());
        world.engine.settle().await.unwrap(); // what is due by the clock is done, and commits no more
        world.says("/ops help").await;
        // Taken, handled, claimed for delivery; then nothing can be written any more.
        a_pass_while(&world, "store.before_commit", "3*off->return").await;
        assert_eq!(world.chat.0.lock().unwrap().values().sum::<usize>(), 2, "question and answer were posted");
        world.clock.forward(Duration::from_secs(60));
        world.engine.settle().await.unwrap();
        // The claim's answer is lost: it is tried as soon as the database answers, without waiting for the claim's end.
        world.says("/ops help").await;
        a_pass_while(&world, "store.after_commit", "2*off->return").await;
        assert_eq!(world.chat.0.lock().unwrap().len(), 2);
        world.engine.settle().await.unwrap();
        let posted = world.chat.0.lock().unwrap().clone();
        assert_eq!(posted.into_values().collect::<Vec<_>>(), [1, 1, 1, 1]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_ran_on_through_an_outage_keeps_its_word() {
    use std::os::unix::fs::PermissionsExt;
    let _alone = fail::FailScenario::setup();
    each_database(async |database| {
        let dir = tempfile::tempdir().unwrap();
        let world = world(&database, dir.path());
        let program = "#!/bin/sh\ncd \"$(dirname \"$0\")\"\necho x >> starts\nuntil [ -e go ]; do sleep 0.02; done\n";
        std::fs::write(dir.path().join("slow"), program).unwrap();
        std::fs::set_permissions(dir.path().join("slow"), std::fs::Permissions::from_mode(0o755)).unwrap();
        world.says("/ops slow dev").await;
        for _ in 0..1_000 {
            world.engine.turn().await.unwrap();
            if dir.path().join("starts").exists() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await; // a real process is running beside us
        }
        let in_state =
            async |state| steps::in_state(&mut world.engine.store.read().await.unwrap(), state).await.unwrap().len();
        // For a minute no lease could be renewed.
        world.clock.forward(Duration::from_secs(60));
        world.engine.turn().await.unwrap();
        assert_eq!(in_state(StepState::Running).await, 1, "it runs, and is not taken for lost");
        std::fs::write(dir.path().join("go"), "").unwrap();
        world.engine.settle().await.unwrap();
        assert_eq!(in_state(StepState::Done).await, 1);
        assert_eq!(std::fs::read_to_string(dir.path().join("starts")).unwrap(), "x\n");
    })
    .await;
}
