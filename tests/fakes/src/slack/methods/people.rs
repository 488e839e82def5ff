//! `auth.test`, `team.info`, `users.*`, `usergroups.*`. Pages: <https://docs.slack.dev/reference/methods/users.info> and
//! its neighbours.

use serde_json::{Value, json};

use super::super::args::{Args, Reply, page, refuse};
use super::super::world::{Group, User, World};

pub fn api_test(_: &mut World, args: &Args) -> Reply {
    Ok(json!({"args": args.0}))
}

pub fn auth_test(world: &mut World, _: &Args) -> Reply {
    let app = &world.app;
    Ok(json!({
        "url": format!("{}/", world.base), "team": world.team().name, "user": app.name, "team_id": app.team,
        "user_id": app.bot_user, "bot_id": app.bot_id, "is_enterprise_install": false, "app_id": app.id,
    }))
}

pub fn team_info(world: &mut World, args: &Args) -> Reply {
    let id = args.text("team").unwrap_or_else(|| world.app.team.clone());
    let Some(team) = world.teams.get(&id).filter(|_| id == world.app.team) else { return refuse("team_not_found") };
    let mut json = json!({"id": team.id, "name": team.name, "domain": team.domain, "email_domain": "",
        "url": format!("{}/", world.base)});
    if let Some((id, name)) = &team.enterprise {
        json["enterprise_id"] = json!(id);
        json["enterprise_name"] = json!(name);
    }
    Ok(json!({"team": json}))
}

/// A person as Slack hands them out; the address only with its scope.
fn user_json(world: &World, user: &User, locale: bool) -> Value {
    let mut profile = json!({"real_name": user.real_name, "display_name": user.name, "team": user.team});
    if world.app.scopes.contains("users:read.email") && user.team == world.app.team && !user.is_bot {
        profile["email"] = json!(user.email);
    }
    let mut json = json!({
        "id": user.id, "team_id": user.team, "name": user.name, "deleted": user.deleted, "profile": profile,
        "is_bot": user.is_bot, "is_app_user": false, "updated": 1_700_000_000,
    });
    if !user.deleted {
        json["real_name"] = json!(user.real_name);
        json["tz"] = json!(user.tz);
        json["is_admin"] = json!(false);
        json["is_owner"] = json!(false);
        json["is_primary_owner"] = json!(false);
        json["is_restricted"] = json!(user.guest);
        json["is_ultra_restricted"] = json!(false);
    }
    if user.team != world.app.team {
        json["is_stranger"] = json!(true);
    }
    if let Some((id, name)) = world.teams.get(&user.team).and_then(|team| team.enterprise.as_ref()) {
        json["enterprise_user"] = json!({"id": user.id, "enterprise_id": id, "enterprise_name": name, "is_admin": false, "is_owner": false, "teams": [user.team]});
    }
    if locale {
        json["locale"] = json!(user.locale);
    }
    json
}

pub fn users_info(world: &mut World, args: &Args) -> Reply {
    let Some(user) = world.user(&args.need("user")?) else { return refuse("user_not_found") };
    Ok(json!({"user": user_json(world, user, args.flag("include_locale"))}))
}

pub fn users_list(world: &mut World, args: &Args) -> Reply {
    let own = world.users.iter().filter(|user| user.team == world.app.team);
    let all: Vec<Value> = own.map(|user| user_json(world, user, args.flag("include_locale"))).collect();
    let (members, next) = page(args, &all)?;
    Ok(json!({"members": members, "cache_ts": world.clock.now() / 1000, "response_metadata": next}))
}

pub fn lookup(world: &mut World, args: &Args) -> Reply {
    let email = args.need("email")?;
    let own = |user: &&User| user.email == email && user.team == world.app.team && !user.deleted;
    let Some(user) = world.users.iter().find(own) else { return refuse("users_not_found") };
    Ok(json!({"user": user_json(world, user, false)}))
}

fn group_json(world: &World, group: &Group, users: bool) -> Value {
    let mut json = json!({
        "id": group.id, "team_id": world.app.team, "is_usergroup": true, "name": group.name, "handle": group.handle,
        "description": "", "is_external": false, "auto_type": null, "user_count": group.users.len(),
        "date_create": 1_700_000_000, "date_update": world.clock.now() / 1000,
        "date_delete": if group.disabled { world.clock.now() / 1000 } else { 0 },
        "created_by": "U1", "updated_by": "U1", "deleted_by": null, "prefs": {"channels": [], "groups": []},
    });
    if users {
        json["users"] = json!(group.users);
    }
    json
}

pub fn groups(world: &mut World, args: &Args) -> Reply {
    let (users, disabled) = (args.flag("include_users"), args.flag("include_disabled"));
    let shown = world.groups.values().filter(|group| disabled || !group.disabled);
    Ok(json!({"usergroups": shown.map(|group| group_json(world, group, users)).collect::<Vec<_>>()}))
}

pub fn group_users(world: &mut World, args: &Args) -> Reply {
    let Some(group) = world.groups.get(&args.need("usergroup")?) else { return refuse("no_such_subteam") };
    if group.disabled && !args.flag("include_disabled") {
        return refuse("subteam_disabled");
    }
    Ok(json!({"users": group.users}))
}

pub fn set_group(world: &mut World, args: &Args) -> Reply {
    let (id, users) = (args.need("usergroup")?, args.list("users"));
    if users.is_empty() {
        return refuse("no_users_provided");
    }
    if users
        .iter()
        .any(|id| world.user(id).is_none_or(|user| user.deleted || user.guest || user.team != world.app.team))
    {
        return refuse("invalid_users");
    }
    let Some(group) = world.groups.get_mut(&id) else { return refuse("no_such_subteam") };
    if group.disabled {
        return refuse("subteam_disabled");
    }
    group.users = users;
    Ok(json!({"usergroup": group_json(world, &world.groups[&id], true)}))
}
