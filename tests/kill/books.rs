//! The runbooks of the harness. Each effect is one line in the file `effects`, "step run", written by a program that
//! outlives the process.

/// Who is there, and where.
pub const CONFIG: &str = r##"
environments: { prod: { approvals: 1 }, dev: {} }
people:
  - { id: ana, roles: [operator], console: { token: "token-of-ana-0123456789" } }
  - { id: leo, roles: [lead], console: { token: "token-of-leo-0123456789" } }
  - { id: eva, roles: [lead], console: { token: "token-of-eva-0123456789" } }
roles: { operator: {}, lead: { includes: [operator] } }
channels: { "#infra": { console: true, packs: [ops] } }
"##;

/// File name and text; `${dir}` is the schedule's folder.
pub const ALL: &[(&str, &str)] =
    &[("wipe", WIPE), ("move", MOVE), ("touch", TOUCH), ("poke", POKE), ("rest", REST), ("chain", CHAIN)];

/// Looks, destroys, looks again.
const WIPE: &str = r##"
name: wipe
summary: Guarded
params: [ { name: target, type: text, pattern: "[a-z]+" } ]
environments: [prod]
allow: [ { roles: [operator] } ]
lock: "{{ env }}/{{ target }}"
steps:
  - { id: look, title: Look, action: shell, effect: read, with: { argv: [/usr/bin/tee, -a, "${dir}/effects"], stdin: "look {{ run.id }}\n" } }
  - id: wipe
    title: Wipe
    action: shell
    effect: destroy
    with: { argv: [/usr/bin/tee, -a, "${dir}/effects"], stdin: "wipe {{ run.id }}\n" }
    undo: { title: Unwipe, action: shell, with: { argv: [/usr/bin/tee, -a, "${dir}/effects"], stdin: "undo-wipe {{ run.id }}\n" }, timeout: 10s }
  - { id: verify, title: Verify, action: shell, effect: read, with: { argv: [/usr/bin/tee, -a, "${dir}/effects"], stdin: "verify {{ run.id }}\n" } }
"##;

/// Two changes under one approval; the second fails, and the first is undone.
const MOVE: &str = r##"
name: move
summary: Guarded, fails and is undone
params: [ { name: target, type: text, pattern: "[a-z]+" } ]
environments: [prod]
allow: [ { roles: [operator] } ]
lock: "{{ env }}/{{ target }}"
steps:
  - id: stop
    title: Stop
    action: shell
    effect: change
    with: { argv: [/usr/bin/tee, -a, "${dir}/effects"], stdin: "stop {{ run.id }}\n" }
    undo: { title: Start, action: shell, with: { argv: [/usr/bin/tee, -a, "${dir}/effects"], stdin: "undo-stop {{ run.id }}\n" }, timeout: 10s }
  - { id: break, title: Break, action: shell, effect: change, with: { argv: [/bin/false] }, on_fail: undo }
"##;

/// A change that nobody must approve, and that must not be repeated.
const TOUCH: &str = r##"
name: touch
summary: Not guarded, once
params: [ { name: target, type: text, pattern: "[a-z]+" } ]
environments: [dev]
allow: [ { roles: [operator] } ]
lock: "{{ env }}/{{ target }}"
steps:
  - { id: touch, title: Touch, action: shell, effect: change, with: { argv: [/usr/bin/tee, -a, "${dir}/effects"], stdin: "touch {{ run.id }}\n" } }
"##;

/// A change that may be repeated, after one that is tried three times and fails.
const POKE: &str = r##"
name: poke
summary: Not guarded, repeatable
params: [ { name: target, type: text, pattern: "[a-z]+" } ]
environments: [dev]
allow: [ { roles: [operator] } ]
lock: "poke {{ run.id }}"
steps:
  - { id: try, title: Try, action: shell, effect: change, with: { argv: [/bin/false] }, retry: { times: 2, delay: 0s }, on_fail: continue }
  - { id: poke, title: Poke, action: shell, effect: change, idempotent: true, with: { argv: [/usr/bin/tee, -a, "${dir}/effects"], stdin: "poke {{ run.id }}\n" } }
"##;

/// Waits until a later life.
const REST: &str = r##"
name: rest
summary: Waits
params: [ { name: target, type: text, pattern: "[a-z]+" } ]
environments: [dev]
allow: [ { roles: [operator] } ]
steps:
  - { id: wait, title: Wait, action: wait, with: { for: 30s } }
  - { id: rested, title: Rested, action: shell, effect: read, with: { argv: [/usr/bin/tee, -a, "${dir}/effects"], stdin: "rested {{ run.id }}\n" } }
"##;

/// Waits for another run.
const CHAIN: &str = r##"
name: chain
summary: Runs another
params: [ { name: target, type: text, pattern: "[a-z]+" } ]
environments: [dev]
allow: [ { roles: [operator] } ]
steps:
  - { id: child, title: Another, action: run, with: { runbook: touch, args: { target: "{{ target }}" } } }
"##;
