//! The world of the packs' stories: the repository's own runbooks, with values and secrets that point at real parts. Told
//! as the stories are, by people who type and press.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use crate::harness::{Configure, Heard, Story, only, story_of};
use crate::stage::{CONSOLE, EVERYWHERE, Stage};
use crate::support::on_sqlite;

/// A pack as it is set up here.
pub struct Here {
    pack: &'static str,
    values: Vec<(String, String)>,
    environments: Vec<(&'static str, String, String)>,
    secrets: Vec<(String, String)>,
    more: String,
}

impl Here {
    /// A pack with its own values.
    pub fn of(pack: &'static str) -> Self {
        Self { pack, values: Vec::new(), environments: Vec::new(), secrets: Vec::new(), more: String::new() }
    }

    /// With another value; what is said last holds. A list's parts stand between commas.
    pub fn value(mut self, name: &str, value: impl ToString) -> Self {
        self.values.retain(|(known, _)| known != name);
        self.values.push((name.to_owned(), value.to_string()));
        self
    }

    /// With another value in one environment.
    pub fn value_in(mut self, env: &'static str, name: &str, value: impl ToString) -> Self {
        self.environments.push((env, name.to_owned(), value.to_string()));
        self
    }

    /// With this secret.
    pub fn secret(mut self, name: &str, secret: impl ToString) -> Self {
        self.secrets.push((name.to_owned(), secret.to_string()));
        self
    }

    /// With another secret than before.
    pub fn other_secret(mut self, name: &str, secret: impl ToString) -> Self {
        self.secrets.retain(|(known, _)| known != name);
        self.secret(name, secret)
    }

    /// With more of the configuration: whole sections.
    pub fn more(mut self, yaml: &str) -> Self {
        self.more.push_str(yaml);
        self.more.push('\n');
        self
    }

    /// Tells a story on the console.
    pub async fn tell(&self, story: impl AsyncFn(&mut Story)) {
        self.tell_on(CONSOLE, story).await;
    }

    /// Tells a story on the console and in Slack, by Socket Mode and by HTTP.
    pub async fn tell_everywhere(&self, story: impl AsyncFn(&mut Story)) {
        self.tell_on(EVERYWHERE, story).await;
    }

    async fn tell_on(&self, stages: &[Stage], story: impl AsyncFn(&mut Story)) {
        let books = books(self.pack);
        let books: Vec<(&str, &str)> = books.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        for &stage in stages {
            on_sqlite(async |database| {
                eprintln!("on the stage {stage:?}");
                Box::pin(story_of(database, &books, stage, self.config(), &story)).await;
            })
            .await;
        }
    }

    /// The stories' configuration with this pack in place of theirs.
    fn config(&self) -> Configure {
        let quoted = |pairs: &[(String, String)]| {
            let lines = pairs.iter().map(|(name, text)| format!("{name}: {}", serde_json::json!(text)));
            lines.collect::<Vec<_>>().join(", ")
        };
        let name = self.pack;
        let own: Vec<(String, String)> =
            self.secrets.iter().map(|(secret, _)| (secret.clone(), format!("here-{secret}"))).collect();
        let secrets: String = self
            .secrets
            .iter()
            .map(|(secret, text)| format!("  here-{secret}: {{ value: {} }}\n", serde_json::json!(text)))
            .collect();
        let environments = ["dev", "prod"].map(|env| {
            let values = self.environments.iter().filter(|(of, ..)| *of == env);
            let values: Vec<_> = values.map(|(_, name, value)| (name.clone(), value.clone())).collect();
            format!("{env}: {{ values: {{ {} }} }}", quoted(&values))
        });
        let pack = format!(
            "packs: {{ {name}: {{ channel: \"#infra\", values: {{ {} }}, secrets: {{ {} }}, environments: {{ {} }} }} }}\n{}\
             secrets:\n{secrets}",
            quoted(&self.values),
            quoted(&own),
            environments.join(", "),
            self.more,
        );
        Arc::new(move |text| {
            text.replace("packs: { shop: { channel: \"#infra\" } }\nsecrets:\n", &pack)
                .replace("packs: [shop]", &format!("packs: [{name}]"))
                .replace(
                    "  lead: { includes: [operator] }",
                    "  lead: { includes: [operator] }\n  admin: { includes: [lead] }",
                )
        })
    }
}

/// A pack's files as they are in the repository.
fn books(pack: &str) -> Vec<(String, String)> {
    let folder = Path::new("commands").join(pack);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let files = files.map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .map(|path| {
            let name = path.strip_prefix("commands").unwrap().display().to_string();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// Writes a file, with the folders that it stands in.
pub fn write_file(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A program in place of one that is not here: it notes in `calls` beside it how it was called, and goes on with the rest.
pub fn stand_in(folder: &Path, name: &str, rest: &str) -> String {
    let path = folder.join(name);
    write_file(&path, &format!("#!/bin/sh\necho \"{name} $*\" >> {}\n{rest}", folder.join("calls").display()));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

/// Ana asks for a command in #infra, and gets the run as it stands when everything has settled.
pub async fn asks(s: &Story, line: &str) -> Heard {
    only(s.person("ana").says("#infra", &format!("/ops {line}")).await)
}

/// The run's card as it is now; fails with its whole text and its thread's if it is not in this state.
pub async fn comes_to(s: &Story, run: &Heard, state: &str) -> Heard {
    let now = s.message(&run.id).await;
    if now.card.state != state {
        let thread: Vec<String> = s.thread(&run.id).await.iter().map(|line| line.card.text()).collect();
        panic!("{} instead of {state}:\n{}", now.card.state, thread.join("\n--\n"));
    }
    now
}

/// Ana asks, nobody needs to agree, and it is done.
pub async fn done(s: &Story, line: &str) -> Heard {
    let run = asks(s, line).await;
    comes_to(s, &run, "done").await
}

/// These people agree, one after the other.
pub async fn approved_by(s: &Story, run: &Heard, people: &[&'static str]) {
    for person in people {
        let ask = s.message(&run.id).await;
        assert_eq!(ask.card.state, "awaiting_approval", "{}", ask.card.text());
        s.person(person).presses(&ask, "approve").await;
    }
}

/// These people agree, one after the other, by typing this.
pub async fn approved_by_typing(s: &Story, run: &Heard, people: &[&'static str], typed: &str) {
    for person in people {
        let ask = s.message(&run.id).await;
        assert_eq!(ask.card.state, "awaiting_approval", "{}", ask.card.text());
        s.person(person).presses_with(&ask, "approve", &[("confirm", typed)]).await;
    }
}

/// Ana checks off every question of a run, with a note, until none is left; gives how many there were.
pub async fn checks_off(s: &Story, run: &Heard) -> usize {
    let mut count = 0;
    loop {
        let now = s.message(&run.id).await;
        if now.card.state != "holding" {
            return count;
        }
        s.person("ana").presses_with(&now, "check", &[("evidence", "visto")]).await;
        count += 1;
        assert!(count < 50, "it never ends");
    }
}

/// Ana presses undo on what is over, Leo and Eva agree to it, by typing where they must; gives the run that undid it.
pub async fn taken_back(s: &Story, over: &Heard, typed: &str) -> Heard {
    let undo = only(s.person("ana").presses(over, "undo").await);
    for person in ["leo", "eva", "leo", "eva"] {
        let now = s.message(&undo.id).await;
        if now.card.state == "awaiting_approval" {
            let typed: &[(&str, &str)] = if typed.is_empty() { &[] } else { &[("confirm", typed)] };
            s.person(person).presses_with(&now, "approve", typed).await;
        }
    }
    comes_to(s, &undo, "done").await
}
