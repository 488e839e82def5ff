//! The methods of the Web API that this fake has, as a table: token, scope, tier, arguments. Unlike Slack, which
//! overlooks many of them, unknown arguments are refused, so that a misspelt one does not go unnoticed.
//! Page: <https://docs.slack.dev/reference/methods>.

mod chat;
mod conversations;
mod extras;
mod files;
mod people;
mod posting;
pub(crate) mod views;

pub(crate) use chat::needed;
pub(crate) use posting::{Content, content, post};

use super::args::{Args, Refusal, Reply};
use super::rates::Tier;
use super::world::World;

/// Which token a method takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    Bot,
    App,
}

/// The scope it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    None,
    Is(&'static str),
    /// `channels:…`, `groups:…` or `im:…`, by the channel in the call.
    Of(&'static str),
    /// At least one of the three.
    AnyOf(&'static str),
}

/// One method.
pub struct Method {
    pub name: &'static str,
    pub token: Token,
    pub scope: Scope,
    pub tier: Tier,
    /// JSON bodies are read; else only forms and queries are.
    pub json: bool,
    /// Names of arguments, those that must be there first with `!`.
    pub args: &'static str,
    pub run: fn(&mut World, &Args) -> Reply,
}

/// A method by name.
pub fn find(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}

const fn bot(
    name: &'static str,
    scope: Scope,
    tier: Tier,
    json: bool,
    args: &'static str,
    run: fn(&mut World, &Args) -> Reply,
) -> Method {
    Method { name, token: Token::Bot, scope, tier, json, args, run }
}

use Scope::{AnyOf, Is, None as Free, Of};
use Tier::{Four, Post, Special, Three, Two};

const POST: &str = "!channel text blocks attachments thread_ts reply_broadcast metadata mrkdwn parse link_names \
                    unfurl_links unfurl_media username icon_emoji icon_url markdown_text as_user client_msg_id";
const UPDATE: &str = "!channel !ts text blocks attachments metadata parse link_names reply_broadcast markdown_text \
                      as_user file_ids unfurl_links unfurl_media";
const EPHEMERAL: &str = "!channel !user text blocks attachments thread_ts parse link_names username icon_emoji \
                         icon_url markdown_text as_user";
const HISTORY: &str = "!channel cursor limit latest oldest inclusive include_all_metadata";
const REPLIES: &str = "!channel !ts cursor limit latest oldest inclusive include_all_metadata";

/// All of them.
pub const METHODS: &[Method] = &[
    bot("auth.test", Free, Special, true, "", people::auth_test),
    bot("api.test", Free, Four, true, "foo error", people::api_test),
    Method {
        name: "apps.connections.open",
        token: Token::App,
        scope: Is("connections:write"),
        tier: Three,
        json: true,
        args: "",
        run: extras::connections_open,
    },
    bot("team.info", Is("team:read"), Three, false, "team domain", people::team_info),
    bot("chat.postMessage", Is("chat:write"), Post, true, POST, chat::post_message),
    bot("chat.update", Is("chat:write"), Three, true, UPDATE, chat::update),
    bot("chat.delete", Is("chat:write"), Three, true, "!channel !ts as_user", chat::delete),
    bot("chat.postEphemeral", Is("chat:write"), Four, true, EPHEMERAL, chat::post_ephemeral),
    bot("chat.getPermalink", Free, Special, false, "!channel !message_ts", chat::permalink),
    bot("chat.unfurl", Is("links:write"), Three, true, "!channel !ts !unfurls source unfurl_id", chat::unfurl),
    bot(
        "conversations.list",
        AnyOf("read"),
        Two,
        false,
        "cursor limit exclude_archived types team_id",
        conversations::list,
    ),
    bot(
        "conversations.info",
        Of("read"),
        Three,
        false,
        "!channel include_locale include_num_members",
        conversations::info,
    ),
    bot("conversations.members", Of("read"), Four, false, "!channel cursor limit", conversations::members),
    bot("conversations.history", Of("history"), Three, true, HISTORY, conversations::history),
    bot("conversations.replies", Of("history"), Three, true, REPLIES, conversations::replies),
    bot(
        "conversations.open",
        Is("im:write"),
        Three,
        true,
        "channel users return_im prevent_creation",
        conversations::open,
    ),
    bot("conversations.create", Is("channels:manage"), Two, true, "!name is_private team_id", conversations::create),
    bot("conversations.setTopic", Of("write.topic"), Two, true, "!channel !topic", conversations::set_topic),
    bot("conversations.join", Is("channels:join"), Three, true, "!channel", conversations::join),
    bot("users.info", Is("users:read"), Four, false, "!user include_locale", people::users_info),
    bot("users.list", Is("users:read"), Two, false, "cursor limit include_locale team_id", people::users_list),
    bot("users.lookupByEmail", Is("users:read.email"), Three, false, "!email", people::lookup),
    bot(
        "usergroups.list",
        Is("usergroups:read"),
        Two,
        false,
        "include_count include_disabled include_users team_id",
        people::groups,
    ),
    bot(
        "usergroups.users.list",
        Is("usergroups:read"),
        Two,
        false,
        "!usergroup include_disabled team_id",
        people::group_users,
    ),
    bot(
        "usergroups.users.update",
        Is("usergroups:write"),
        Two,
        true,
        "!usergroup !users include_count team_id",
        people::set_group,
    ),
    bot("views.open", Free, Four, true, "!trigger_id !view interactivity_pointer", views::open),
    bot("views.push", Free, Four, true, "!trigger_id !view interactivity_pointer", views::push),
    bot("views.update", Free, Four, true, "!view view_id external_id hash", views::update),
    bot("views.publish", Free, Four, true, "!user_id !view hash", views::publish),
    bot("reactions.add", Is("reactions:write"), Three, true, "!channel !timestamp !name", extras::react),
    bot(
        "reactions.get",
        Is("reactions:read"),
        Three,
        false,
        "channel timestamp file file_comment full",
        extras::reactions,
    ),
    bot("pins.add", Is("pins:write"), Two, true, "!channel timestamp", extras::pin),
    bot(
        "bookmarks.add",
        Is("bookmarks:write"),
        Two,
        true,
        "!channel_id !title !type link emoji entity_id parent_id",
        extras::bookmark,
    ),
    bot(
        "files.getUploadURLExternal",
        Is("files:write"),
        Four,
        false,
        "!filename !length alt_text alt_txt snippet_type",
        files::upload_url,
    ),
    bot(
        "files.completeUploadExternal",
        Is("files:write"),
        Four,
        true,
        "!files channel_id channels thread_ts initial_comment blocks",
        files::complete,
    ),
];

/// Every scope a method needs, for a test that wants all.
pub fn all_scopes() -> Vec<String> {
    let mut all: Vec<String> =
        "commands app_mentions:read chat:write.public links:read".split(' ').map(Into::into).collect();
    for method in METHODS.iter().filter(|method| method.token == Token::Bot) {
        match method.scope {
            Scope::None => {}
            Scope::Is(scope) => all.push(scope.to_owned()),
            Scope::Of(what) | Scope::AnyOf(what) => {
                all.extend(["channels", "groups", "im"].map(|kind| format!("{kind}:{what}")));
            }
        }
    }
    all.sort();
    all.dedup();
    all
}

/// The channel of a call must be one that the app can see.
pub(crate) fn channel_id(world: &World, args: &Args) -> Result<String, Refusal> {
    let said = args.text("channel").or_else(|| args.text("channel_id")).unwrap_or_default();
    let named = |id: &&String| world.channels[*id].name == said.trim_start_matches('#') && said.starts_with('#');
    let direct = |id: &&String| world.channels[*id].im.as_ref() == Some(&said);
    let found = world.channels.get_key_value(&said).map(|(id, _)| id);
    let found = found.or_else(|| world.channels.keys().find(named)).or_else(|| world.channels.keys().find(direct));
    let id = found.ok_or("channel_not_found")?;
    let channel = &world.channels[id];
    if channel.private && !channel.members.contains(&world.app.bot_user) {
        return Err("channel_not_found".into());
    }
    Ok(id.clone())
}
