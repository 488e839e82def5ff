//! The workload: people ask for runbooks and press whatever buttons they see, some twice. What was acknowledged is
//! written down outside, at once.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sereno::chat::card::Card;
use sereno::domain::actor::{Place, Platform};
use sereno::engine::Engine;
use sereno::id::{DeliveryId, MessageId};
use sereno::store::inbox::Input;
use sereno::store::messages;

use crate::dice::Dice;
use crate::life::Life;
use crate::points::LOST;

/// Things that people do in a life, if no kill comes before.
const DEEDS: u64 = 100;
/// How long people go on where a kill is aimed.
const PATIENCE: Duration = Duration::from_secs(20);
/// What they ask for.
const LINES: &[&str] = &["wipe", "wipe", "wipe", "move", "touch", "poke", "rest", "chain"];
const TARGETS: &[&str] = &["api", "web", "db", "mail"];
/// Who presses, approvers more often than the requester.
const PEOPLE: &[&str] = &["leo", "leo", "leo", "eva", "eva", "ana"];

struct Work<'l> {
    dice: Dice,
    engines: &'l [Arc<Engine>],
    /// What was acknowledged: kind and id, a line each.
    said: File,
}

/// Works for a while, with the engines running beside.
pub async fn work(life: &Life, engines: &[Arc<Engine>]) {
    let said = OpenOptions::new().create(true).append(true).open(life.dir.join("said")).unwrap();
    let mut work = Work { dice: Dice::new(life.seed, u64::from(life.number)), engines, said };
    let started = Instant::now();
    // A kill at the first hit of one point is waited for where the machine is slow just now, if work leads there: what
    // is lost was lost before this life.
    let leads = |point: &str| point != LOST;
    let aimed = life.kill.as_ref().is_some_and(|kill| kill.point.as_deref().is_some_and(leads) && kill.hit == 1);
    for deed in 0.. {
        if deed >= DEEDS && !(aimed && started.elapsed() < PATIENCE) {
            break;
        }
        if deed < 2 || work.dice.below(4) == 0 {
            work.ask().await;
        } else {
            work.press().await;
        }
        tokio::time::sleep(Duration::from_millis(work.dice.below(5))).await;
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
}

impl Work<'_> {
    async fn ask(&mut self) {
        let name = *self.dice.pick(LINES);
        let env = if matches!(name, "wipe" | "move") { "prod" } else { "dev" };
        let text = format!("/ops {name} {} {env}", self.dice.pick(TARGETS));
        self.send("text", Input::Text { by: "ana".into(), place: place(), text }).await;
    }

    async fn press(&mut self) {
        let buttons = self.buttons().await;
        if buttons.is_empty() {
            return;
        }
        let (message, button) = self.dice.pick(&buttons).clone();
        let by = match button.as_str() {
            "approve" | "refuse" => *self.dice.pick(PEOPLE),
            _ => "ana",
        };
        let values = [].into();
        self.send("press", Input::Press { by: by.into(), place: place(), message, button, values }).await;
    }

    /// The buttons that are to be seen, those that move something on more than once.
    async fn buttons(&self) -> Vec<(MessageId, String)> {
        let Ok(mut db) = self.engines[0].store.read().await else { return Vec::new() };
        let seen = messages::channel(&mut db, "#infra", "nobody", 40).await.unwrap_or_default();
        let mut buttons = Vec::new();
        for message in seen {
            let Ok(card) = serde_json::from_value::<Card>(message.card) else { continue };
            for button in card.buttons {
                let weight = match button.id.as_str() {
                    "approve" => 24,
                    "confirm" | "rerun" => 4,
                    "refuse" | "undo" | "cancel" => 1,
                    _ => 0,
                };
                buttons.extend(std::iter::repeat_n((message.id.clone(), button.id), weight));
            }
        }
        buttons
    }

    /// Hands a request in, now and then a second time, as platforms do.
    async fn send(&mut self, kind: &str, input: Input) {
        let key = format!("{kind}:{}", DeliveryId::new());
        let times = if self.dice.below(4) == 0 { 2 } else { 1 };
        let mut first = None;
        for _ in 0..times {
            let engine = Arc::clone(self.dice.pick(self.engines));
            let Ok(id) = engine.accept(key.clone(), input.clone()).await else { continue };
            self.said.write_all(format!("{kind} {id}\n").as_bytes()).unwrap();
            assert_eq!(*first.get_or_insert_with(|| id.clone()), id, "the same key is the same request");
        }
    }
}

fn place() -> Place {
    Place::channel(Platform::Console, "#infra")
}
