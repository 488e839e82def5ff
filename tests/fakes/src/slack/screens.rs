//! What people do on forms and homes: fill in, choose, search, send, close. And what the app's answer to a form does.

use serde_json::{Value, json};

use super::blocks::Check;
use super::deliver::Door;
use super::methods::views;
use super::people::{Heard, Person, action_json, element};
use super::world::{View, World};
use super::{forms, payload};

impl Person {
    /// Clicks a button or chooses in a view, with what is entered so far.
    pub async fn act_in(&self, view: &View, action: &str, option: Option<&str>, entries: &[(&str, &str)]) -> Heard {
        let payload = self.shared.with(|world| {
            let (user, view) = (self.user(world), self.current(world, view));
            let (state, _) = forms::fill(&view, entries, &|action| offered(world, &view.id, action));
            let blocks = view.json["blocks"].as_array().cloned().unwrap_or_default();
            let known = offered(world, &view.id, action);
            let action = action_json(world, &super::message::elements(&blocks), action, option, &known);
            payload::on_view(world, &user, &view, state, action)
        });
        self.act(Door::Interaction, payload).await
    }

    /// A view as it is on the screen now.
    fn current(&self, world: &World, view: &View) -> View {
        let found = world.views.iter().find(|one| one.id == view.id && !one.closed && one.user == self.id);
        found.unwrap_or_else(|| panic!("the view {} is not on the screen of {}", view.id, self.id)).clone()
    }

    /// Sends a form: names are action or block ids. The person's own slips stop it, as [`Heard::problem`] says; what
    /// the app answers happens to the view.
    pub async fn submit(&self, view: &View, entries: &[(&str, &str)]) -> Heard {
        let payload = self.shared.with(|world| {
            let (user, view) = (self.user(world), self.current(world, view));
            let (state, stops) = forms::fill(&view, entries, &|action| offered(world, &view.id, action));
            if !stops.is_empty() {
                return Err(stops
                    .iter()
                    .map(|(block, words)| format!("{block}: {words}"))
                    .collect::<Vec<_>>()
                    .join("; "));
            }
            let mut json = payload::interaction(world, &user, "view_submission", Some(&view.id));
            json["view"] = payload::view_json(&view, state);
            json["response_urls"] = json!([]);
            Ok(json)
        });
        let payload = match payload {
            Ok(payload) => payload,
            Err(problem) => return Heard { problem: Some(problem), ..Heard::default() },
        };
        let mut heard = self.act(Door::Interaction, payload).await;
        if heard.acked {
            heard.problem = self.shared.with(|world| submitted(world, view, &heard.body)).err();
        }
        heard
    }

    /// Closes a form without sending it. The app hears it where the view asks for that.
    pub async fn close(&self, view: &View) -> Heard {
        let payload = self.shared.with(|world| {
            let (user, view) = (self.user(world), self.current(world, view));
            world.views.iter_mut().filter(|one| one.id == view.id).for_each(|one| one.closed = true);
            (view.json["notify_on_close"] == true).then(|| {
                let mut json = payload::interaction(world, &user, "view_closed", None);
                json["view"] = payload::view_json(&view, json!({}));
                json["is_cleared"] = json!(false);
                json
            })
        });
        match payload {
            Some(payload) => self.act(Door::Interaction, payload).await,
            None => Heard::default(),
        }
    }

    /// Types into a menu whose options the app searches. What is offered can be chosen afterwards.
    pub async fn suggest(&self, view: &View, action: &str, typed: &str) -> Heard {
        let payload = self.shared.with(|world| {
            let (user, view) = (self.user(world), self.current(world, view));
            let blocks = view.json["blocks"].as_array().cloned().unwrap_or_default();
            let (block, element) = element(&super::message::elements(&blocks), action);
            let kind = element["type"].as_str().unwrap_or_default();
            assert!(kind.ends_with("external_select"), "{action} is no menu that the app searches");
            let mut json = payload::interaction(world, &user, "block_suggestion", None);
            if let Some(json) = json.as_object_mut() {
                json.remove("trigger_id");
            }
            json["container"] = json!({"type": "view", "view_id": view.id});
            json["action_id"] = json!(action);
            json["block_id"] = json!(block);
            json["value"] = json!(typed);
            json["view"] = payload::view_json(&view, json!({}));
            json
        });
        let mut heard = self.act(Door::Interaction, payload).await;
        if heard.acked {
            heard.problem = Check::suggestions(&heard.body).err().map(|wrong| wrong.join("; "));
            let groups = heard.body["option_groups"].as_array().into_iter().flatten();
            let grouped = groups.flat_map(|group| group["options"].as_array().into_iter().flatten());
            let all =
                heard.body["options"].as_array().into_iter().flatten().chain(grouped).cloned().collect::<Vec<_>>();
            self.shared.with(|world| world.offered.entry((view.id.clone(), action.into())).or_default().extend(all));
        }
        heard
    }

    /// Forms on the screen, the one on top last.
    #[must_use]
    pub fn views(&self) -> Vec<View> {
        let open = |view: &&View| view.user == self.id && !view.closed && view.json["type"] == "modal";
        self.shared.with(|world| world.views.iter().filter(open).cloned().collect())
    }

    /// The app's home, as it was published last.
    #[must_use]
    pub fn home(&self) -> Option<View> {
        let own = |view: &&View| view.user == self.id && view.json["type"] == "home";
        self.shared.with(|world| world.views.iter().find(own).cloned())
    }
}

fn offered(world: &World, place: &str, action: &str) -> Vec<Value> {
    world.offered.get(&(place.to_owned(), action.to_owned())).cloned().unwrap_or_default()
}

/// What the app's answer to a form does to the views; `Err` is what Slack says when it cannot.
fn submitted(world: &mut World, view: &View, body: &Value) -> Result<(), String> {
    let trouble = |why: &str| Err(format!("We had some trouble connecting. Try again? ({why})"));
    let at = world.views.iter().position(|one| one.id == view.id).ok_or("the view is gone")?;
    let mut made = world.views[at].clone();
    match body["response_action"].as_str() {
        None if body.is_null() || *body == json!({}) || *body == "" => world.views[at].closed = true,
        None => return trouble("an answer without response_action"),
        Some("clear") => {
            world.views.iter_mut().filter(|one| one.root == made.root).for_each(|one| one.closed = true);
        }
        Some("errors") => {
            let inputs: Vec<&Value> = made.json["blocks"].as_array().into_iter().flatten().collect();
            let errors = body["errors"].as_object().filter(|map| !map.is_empty());
            let known = |id: &String| inputs.iter().any(|block| block["block_id"] == **id && block["type"] == "input");
            if !errors.is_some_and(|map| map.iter().all(|(id, words)| known(id) && words.is_string())) {
                return trouble("errors that belong to no input");
            }
        }
        Some(action @ ("update" | "push")) => {
            let checked = match views::check(world, &body["view"], "modal") {
                Ok(checked) => checked,
                Err(refusal) => return trouble(&refusal.json().to_string()),
            };
            if action == "push" {
                let person = (made.team.clone(), made.user.clone());
                views::show(world, (&person.0, &person.1), &checked, Some(&made));
            } else {
                views::write(world, &mut made, &checked);
                made.updates += 1;
                world.views[at] = made;
            }
        }
        Some(other) => return trouble(&format!("response_action {other}")),
    }
    Ok(())
}
