//! What can happen: what people do, what time does, and what goes wrong.

use proptest::collection::vec;
use proptest::prelude::*;

/// One thing that happens. People do no more than hand in a request; what comes of it, comes with `Settle` or `Crash`.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    /// Ana asks for a runbook on a target.
    Ask(&'static str, &'static str),
    /// Somebody presses a button on the card of a run, which is counted from the latest; with the delivery key of
    /// their last press, or with a new one.
    Press { who: &'static str, button: &'static str, run: usize, again: bool },
    /// Minutes pass.
    Wait(u64),
    /// Somebody writes another script.
    Swap,
    /// Somebody loses their role.
    Revoke(&'static str),
    /// Somebody gets it back.
    Grant(&'static str),
    /// Everything that can go on, goes on.
    Settle,
    /// The process dies while nothing is under way, and another one starts.
    Restart,
    /// The process goes on for so many commits; then nothing is stored any more, it dies, and another one starts.
    Crash(usize),
}

/// Lists of deeds, which begin with a request.
pub fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    vec(scene(), 3..12).prop_map(|scenes| scenes.into_iter().flatten().collect()).prop_flat_map(|rest: Vec<Deed>| {
        ask().prop_map(move |ask| [ask, Deed::Settle].into_iter().chain(rest.clone()).collect())
    })
}

/// A deed or two: what people do is mostly followed by its consequences.
fn scene() -> impl Strategy<Value = Vec<Deed>> {
    let crash = || (0_usize..9).prop_map(Deed::Crash);
    prop_oneof![
        3 => ask().prop_map(|ask| vec![ask, Deed::Settle]),
        8 => approve().prop_map(|approve| vec![approve, Deed::Settle]),
        2 => (approve(), crash()).prop_map(|(approve, crash)| vec![approve, crash]),
        5 => lead().prop_flat_map(|who| (1_usize..4, change(who))).prop_map(|(commits, [approve, change])| {
            vec![approve, Deed::Crash(commits), change, Deed::Settle]
        }),
        2 => lead().prop_flat_map(change).prop_map(|[approve, change]| {
            vec![approve, Deed::Settle, change, Deed::Wait(1), Deed::Settle]
        }),
        2 => (8_u64..12, approve()).prop_map(|(minutes, approve)| vec![Deed::Wait(minutes), approve, Deed::Settle]),
        2 => lead().prop_map(|who| vec![yes(who), Deed::Settle, yes(who), Deed::Settle]),
        3 => approve().prop_map(|approve| vec![approve]),
        2 => other().prop_map(|other| vec![other]),
        3 => (1_u64..12).prop_map(|minutes| vec![Deed::Wait(minutes)]),
        2 => (1_u64..3).prop_map(|minutes| vec![Deed::Wait(minutes), Deed::Settle]),
        2 => Just(vec![Deed::Swap]),
        2 => lead().prop_map(|who| vec![Deed::Revoke(who)]),
        2 => lead().prop_map(|who| vec![Deed::Grant(who)]),
        4 => Just(vec![Deed::Settle]),
        1 => Just(vec![Deed::Restart]),
        2 => crash().prop_map(|crash| vec![crash]),
    ]
}

/// A yes, and what may come between it and a start.
fn change(who: &'static str) -> impl Strategy<Value = [Deed; 2]> {
    let change = prop_oneof![
        2 => Just(Deed::Swap),
        4 => Just(Deed::Revoke(who)),
        1 => lead().prop_map(Deed::Revoke),
        1 => other(),
    ];
    change.prop_map(move |change| [yes(who), change])
}

fn yes(who: &'static str) -> Deed {
    Deed::Press { who, button: "approve", run: 0, again: false }
}

fn ask() -> impl Strategy<Value = Deed> {
    (prop_oneof![Just("alone"), Just("phases"), Just("pair")], prop_oneof![Just("api"), Just("web")])
        .prop_map(|(book, target)| Deed::Ask(book, target))
}

fn lead() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just("leo"), 3 => Just("eva"), 2 => Just("ana")]
}

fn approve() -> impl Strategy<Value = Deed> {
    let who = prop_oneof![12 => lead(), 1 => Just("vic")];
    (who, latest(), prop::bool::weighted(0.2)).prop_map(|(who, run, again)| Deed::Press {
        who,
        button: "approve",
        run,
        again,
    })
}

fn other() -> impl Strategy<Value = Deed> {
    let button = prop_oneof![Just("refuse"), Just("cancel"), Just("confirm"), Just("rerun"), Just("rerun")];
    (lead(), button, latest()).prop_map(|(who, button, run)| Deed::Press { who, button, run, again: false })
}

/// Mostly the latest run.
fn latest() -> impl Strategy<Value = usize> {
    prop_oneof![5 => Just(0_usize), 1 => Just(1_usize)]
}
