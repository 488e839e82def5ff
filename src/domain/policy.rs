//! The one decision function: who may ask for what, where. Help, plan card, button, command line and API all call
//! it. No rule means no.

use serde::{Deserialize, Serialize};

use super::actor::{Actor, Role};
use super::approval::{ApprovalRule, LONGEST_EXPIRY};
use super::runbook::{Allow, Args, Effect, Runbook};

/// What somebody asks for.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// What.
    pub runbook: &'a Runbook,
    /// With which arguments; none while they are still to be given, as for help.
    pub args: Option<&'a Args>,
    /// In which environment.
    pub env: Option<&'a str>,
    /// In which channel; none from the command line of the machine itself.
    pub channel: Option<&'a str>,
}

/// Proof that [`authorize`] said yes. Only this module can make one; starting and approving demand it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorized {
    rule: usize,
}

impl Authorized {
    /// Which of the runbook's rules allowed it, from 0.
    #[must_use]
    pub fn rule(&self) -> usize {
        self.rule
    }
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Denied {
    /// The runbook has no rule at all.
    NoRule,
    /// The runbook is not for this environment; these are its own.
    Environment(Vec<String>),
    /// The runbook, or every rule that fits, is for other channels.
    Channel(Vec<String>),
    /// A role is missing; any of these would do.
    Role(Vec<Role>),
    /// No rule covers this argument's value.
    Argument(String),
}

/// Decides.
///
/// # Errors
/// Why not: the nearest miss, so that the person learns what would help.
pub fn authorize(ask: Ask<'_>) -> Result<Authorized, Denied> {
    let book = ask.runbook;
    if book.allow.is_empty() {
        return Err(Denied::NoRule);
    }
    if let Some(env) = ask.env
        && !book.environments.iter().any(|known| known == env)
    {
        return Err(Denied::Environment(book.environments.clone()));
    }
    if !channel_fits(&book.channels, ask.channel) {
        return Err(Denied::Channel(book.channels.clone()));
    }
    let mut nearest: Option<(u8, Denied)> = None;
    for (index, rule) in book.allow.iter().enumerate() {
        match miss(rule, ask) {
            None => return Ok(Authorized { rule: index }),
            Some((near, denied)) => match &mut nearest {
                Some((best, Denied::Role(roles))) if *best == near => {
                    if let Denied::Role(more) = denied {
                        roles.extend(more.into_iter().filter(|role| !roles.contains(role)).collect::<Vec<_>>());
                    }
                }
                Some((best, _)) if *best >= near => {}
                _ => nearest = Some((near, denied)),
            },
        }
    }
    Err(nearest.map_or(Denied::NoRule, |(_, denied)| denied))
}

/// The program itself may run what a reviewed file tells it to run by itself: a schedule, or the read-only steps of
/// an alert's runbook. Steps that need approval still need it, from people.
#[must_use]
pub fn automatic() -> Authorized {
    Authorized { rule: usize::MAX }
}

/// What keeps a rule from fitting, and how near it came; none when it fits.
fn miss(rule: &Allow, ask: Ask<'_>) -> Option<(u8, Denied)> {
    if let Some(env) = ask.env
        && !rule.environments.is_empty()
        && !rule.environments.iter().any(|known| known == env)
    {
        return Some((0, Denied::Environment(rule.environments.clone())));
    }
    if !channel_fits(&rule.channels, ask.channel) {
        return Some((1, Denied::Channel(rule.channels.clone())));
    }
    if let Some(args) = ask.args
        && let Some((name, _)) =
            rule.when.iter().find(|(name, values)| !args.get(*name).is_some_and(|value| values.contains(value)))
    {
        return Some((2, Denied::Argument(name.clone())));
    }
    (!ask.actor.holds_any(&rule.roles)).then(|| (3, Denied::Role(rule.roles.clone())))
}

fn channel_fits(channels: &[String], channel: Option<&str>) -> bool {
    channels.is_empty() || channel.is_none_or(|at| channels.iter().any(|known| known == at))
}

/// What the configuration says of approvals where a runbook says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalDefaults {
    /// Roles that may approve.
    pub roles: Vec<Role>,
    /// Seconds until an approval dies.
    pub expires: u64,
    /// How many people must agree to a change in this environment.
    pub count: u32,
}

/// Who must agree before a step with this effect starts; none when nobody must. A destructive step always needs
/// somebody, and a runbook may ask for more people than the environment, never for fewer.
#[must_use]
pub fn approval_for(
    book: &Runbook,
    effect: Effect,
    env: Option<&str>,
    defaults: &ApprovalDefaults,
) -> Option<ApprovalRule> {
    if effect == Effect::Read {
        return None;
    }
    let own = book.approval.iter().find(|rule| {
        rule.environments.is_empty() || env.is_some_and(|env| rule.environments.iter().any(|known| known == env))
    });
    let least = if effect == Effect::Destroy { 1 } else { 0 };
    let count = own.map_or(0, |rule| rule.count).max(defaults.count).max(least);
    let roles = own.map(|rule| rule.roles.clone()).filter(|roles| !roles.is_empty());
    (count > 0).then(|| ApprovalRule {
        environments: Vec::new(),
        count,
        roles: roles.unwrap_or_else(|| defaults.roles.clone()),
        expires: own.map_or(defaults.expires, |rule| rule.expires).min(LONGEST_EXPIRY),
        confirm: own.and_then(|rule| rule.confirm.clone()),
    })
}
