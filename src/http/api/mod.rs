//! The console's JSON API under `/api/v1`. One table holds every route with what it is for, so that the OpenAPI
//! document cannot differ from what is served. Handlers check who asks and what exists; all judgement is the engine's.

mod approvals;
mod commands;
mod events;
mod incidents;
mod messages;
mod openapi;
mod runs;

use std::sync::Arc;

use axum::Router;
use axum::extract::State as Shared;
use axum::routing::MethodRouter;
use axum::{Json, routing::get};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::State;
use super::access::Who;
use super::fault::Fault;
use crate::domain::actor::Platform;

pub(super) use approvals::{WaitingView, waiting};
pub(super) use commands::{CommandView, command, commands};
pub(super) use incidents::{IncidentPage, IncidentView, incident, incidents};
pub(super) use messages::{Post, PressForm, accept_press, accept_text, channel_named, visible};
pub(super) use runs::{RunPage, RunView, run, runs};

/// One route of the API.
struct Route {
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    status: u16,
    handler: fn() -> MethodRouter<Arc<State>>,
    /// What it takes as its body.
    takes: Option<fn(&mut SchemaGenerator) -> Schema>,
    /// What it gives.
    gives: fn(&mut SchemaGenerator) -> Schema,
}

/// A route that reads.
const fn reads(
    path: &'static str,
    summary: &'static str,
    handler: fn() -> MethodRouter<Arc<State>>,
    gives: fn(&mut SchemaGenerator) -> Schema,
) -> Route {
    Route { method: "get", path, summary, status: 200, handler, takes: None, gives }
}

/// A route that asks for something to be done, which is stored when it answers.
const fn asks(
    path: &'static str,
    summary: &'static str,
    handler: fn() -> MethodRouter<Arc<State>>,
    takes: fn(&mut SchemaGenerator) -> Schema,
) -> Route {
    Route { method: "post", path, summary, status: 202, handler, takes: Some(takes), gives: schema::<Accepted> }
}

/// Every route but the document itself.
static ROUTES: &[Route] = &[
    reads("/api/v1/me", "Who I am and which roles I hold", || get(me), schema::<Me>),
    reads("/api/v1/channels", "The channels", || get(channels), schema::<Vec<ChannelView>>),
    reads(
        "/api/v1/channels/{name}/messages",
        "The latest messages of a channel itself, oldest first; write `#` as `%23` or leave it out",
        || get(messages::of_channel),
        schema::<Vec<super::view::CardView>>,
    ),
    asks(
        "/api/v1/messages",
        "Say a line in a channel or thread; one that begins with `/ops` or `@sereno` is a command",
        || axum::routing::post(messages::say),
        schema::<Post>,
    ),
    reads("/api/v1/messages/{id}", "One message", || get(messages::one), schema::<super::view::CardView>),
    reads(
        "/api/v1/messages/{id}/thread",
        "A thread's root and its replies, oldest first",
        || get(messages::thread),
        schema::<Vec<super::view::CardView>>,
    ),
    asks(
        "/api/v1/messages/{id}/press",
        "Press a button, by its id or label, with the values of its form",
        || axum::routing::post(messages::press),
        schema::<PressForm>,
    ),
    reads(
        "/api/v1/deliveries/{id}",
        "What has become of a request",
        || get(messages::delivery),
        schema::<messages::DeliveryView>,
    ),
    reads(
        "/api/v1/deliveries/{id}/replies",
        "The messages that answer a request, oldest first; empty until it is dealt with",
        || get(messages::replies),
        schema::<Vec<super::view::CardView>>,
    ),
    reads(
        "/api/v1/approvals",
        "What waits for a decision that I may take",
        || get(approvals::list),
        schema::<Vec<WaitingView>>,
    ),
    reads("/api/v1/runs", "The latest runs, newest first", || get(runs::list), schema::<Vec<RunView>>),
    reads("/api/v1/runs/{id}", "A run with its steps", || get(runs::one), schema::<RunPage>),
    reads(
        "/api/v1/incidents",
        "Open incidents, and those of the last seven days",
        || get(incidents::list),
        schema::<Vec<IncidentView>>,
    ),
    reads(
        "/api/v1/incidents/{id}",
        "An incident with its alerts, runs and timeline",
        || get(incidents::one),
        schema::<IncidentPage>,
    ),
    reads("/api/v1/commands", "The runbooks that I may run", || get(commands::list), schema::<Vec<CommandView>>),
    reads(
        "/api/v1/events",
        "Messages as they appear and change, as server-sent events named `card`; `Last-Event-ID` or `after` resumes",
        || get(events::stream),
        schema::<super::view::CardView>,
    ),
];

/// The API's routes.
pub(super) fn routes() -> Router<Arc<State>> {
    let document = Router::new().route("/api/v1/openapi.json", get(openapi::document));
    ROUTES.iter().fold(document, |router, route| router.route(route.path, (route.handler)()))
}

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// A request that is stored and will be dealt with.
#[derive(Serialize, JsonSchema)]
struct Accepted {
    /// Its id, for `/api/v1/deliveries/{id}/replies`.
    id: String,
}

/// A person.
#[derive(Serialize, JsonSchema)]
struct Me {
    /// Their id.
    id: String,
    /// How they are called.
    name: String,
    /// Every role, with those that their roles include.
    roles: Vec<String>,
}

/// A channel.
#[derive(Serialize, JsonSchema)]
pub(super) struct ChannelView {
    /// Its name, as in `#infra`.
    pub name: String,
    /// The platform that its messages go to.
    pub platform: Platform,
    /// The environment that is meant when none is typed.
    pub environment: Option<String>,
    /// The team whose rota is meant here.
    pub team: Option<String>,
}

async fn me(Shared(state): Shared<Arc<State>>, who: Who) -> Result<Json<Me>, Fault> {
    let actor = who.actor(&state)?;
    let name = state.engine.settings.load().name_of(&actor.id).to_owned();
    Ok(Json(Me { id: actor.id, name, roles: actor.roles.into_iter().collect() }))
}

async fn channels(Shared(state): Shared<Arc<State>>, _who: Who) -> Json<Vec<ChannelView>> {
    Json(channel_list(&state))
}

/// The channels, by name.
pub(super) fn channel_list(state: &State) -> Vec<ChannelView> {
    let settings = state.engine.settings.load();
    let view = |(name, channel): (&String, &crate::domain::settings::Channel)| ChannelView {
        name: name.clone(),
        platform: settings.platform_of(name),
        environment: channel.environment.clone(),
        team: channel.team.clone(),
    };
    settings.channels.iter().map(view).collect()
}
