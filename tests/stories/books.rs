//! The runbooks of the stories. What they do is counted in a file outside the product.

/// Puts a release back: looks, changes, looks again; can be undone.
pub const ROLLBACK: (&str, &str) = (
    "shop/rollback.yaml",
    r##"
name: rollback
summary: Put the previous release back
params:
  - { name: service, type: text, pattern: "[a-z]+", from_label: service }
environments: [prod, dev]
allow:
  - { roles: [operator] }
lock: "{{ env }}/{{ service }}"
alerts:
  - { alertname: ServiceDown }
next: [health]
steps:
  - id: look
    title: What runs now
    action: shell
    effect: read
    with: { argv: [/bin/cat, "${dir}/release"] }
    expect: [ { fact: stdout, contains: v2, label: release } ]
    on_fail: continue
  - id: put-back
    title: Put it back
    action: shell
    effect: change
    with: { argv: ["${dir}/deploy", rollback, "{{ service }}"] }
    undo: { title: Put it forward again, action: shell, with: { argv: ["${dir}/deploy", forward, "{{ service }}"] }, timeout: 30s }
  - id: verify
    title: It runs
    action: shell
    effect: read
    with: { argv: [/bin/cat, "${dir}/health"] }
    expect: [ { fact: stdout, contains: ok, label: health } ]
"##,
);

/// Only looks.
pub const HEALTH: (&str, &str) = (
    "shop/health.yaml",
    r##"
name: health
summary: Is it up?
environments: [prod, dev]
allow:
  - { roles: [viewer] }
alerts:
  - { alertname: Slow }
next: [rollback]
steps:
  - id: health
    title: Its health
    action: shell
    effect: read
    with: { argv: [/bin/cat, "${dir}/health"] }
    expect: [ { fact: stdout, contains: ok, label: health } ]
"##,
);

/// Destroys, and takes two people in prod.
pub const WIPE: (&str, &str) = (
    "shop/wipe.yaml",
    r##"
name: wipe
summary: Throw the cache away
environments: [prod, dev]
allow:
  - { roles: [operator] }
approval:
  - { environments: [prod], count: 2, roles: [lead], expires: 10m }
steps:
  - id: wipe
    title: Throw it away
    action: shell
    effect: destroy
    with: { argv: ["${dir}/deploy", wipe, cache] }
"##,
);

/// Two changes, the second of which fails; undone by itself.
pub const MIGRATE: (&str, &str) = (
    "shop/migrate.yaml",
    r##"
name: migrate
summary: Move the shop
environments: [prod, dev]
allow:
  - { roles: [operator] }
steps:
  - id: first
    title: Stop the writers
    action: shell
    effect: change
    with: { argv: ["${dir}/deploy", stop, writers] }
    undo: { title: Start the writers, action: shell, with: { argv: ["${dir}/deploy", start, writers] }, timeout: 30s }
  - id: second
    title: Move the data
    action: shell
    effect: change
    with: { argv: [/bin/false] }
    undo: { title: Move it back, action: shell, with: { argv: ["${dir}/deploy", back, data] }, timeout: 30s }
    on_fail: undo
  - id: third
    title: Never reached
    action: shell
    effect: change
    with: { argv: ["${dir}/deploy", never, reached] }
"##,
);

/// A step that takes long.
pub const SLOW: (&str, &str) = (
    "shop/slow.yaml",
    r##"
name: slow
summary: Takes its time
environments: [prod, dev]
allow:
  - { roles: [operator] }
steps:
  - id: slow
    title: Take long
    action: shell
    effect: change
    with: { argv: ["${dir}/slow"] }
    timeout: 60s
"##,
);

/// A checklist with a wait, a person's step, and another runbook.
pub const SHIFT: (&str, &str) = (
    "shop/shift.yaml",
    r##"
name: shift
summary: What is looked at in the morning
environments: [dev]
allow:
  - { roles: [operator] }
schedule:
  - { cron: "0 12 * * *", channel: "#infra", env: dev }
steps:
  - { id: pause, title: Let it settle, action: wait, with: { for: 10m } }
  - { id: ask, title: Look at the dashboard, action: ask, with: { instructions: "Open the dashboard.", evidence: true } }
  - { id: health, title: Its health, action: run, with: { runbook: health } }
  - { id: note, title: Note, action: note, with: { text: "seen by {{ steps.ask.by }}" } }
"##,
);

/// A value that is chosen among those that a step finds.
pub const PICK: (&str, &str) = (
    "shop/pick.yaml",
    r##"
name: pick
summary: Put a chosen release in place
params:
  - { name: version, type: from, step: versions, path: lines }
environments: [prod, dev]
allow:
  - { roles: [operator] }
steps:
  - id: versions
    title: The releases there are
    action: shell
    effect: read
    with: { argv: [/bin/cat, "${dir}/versions"] }
  - id: put
    title: Put it in place
    action: shell
    effect: change
    with: { argv: ["${dir}/deploy", put, "{{ version }}"] }
"##,
);

/// A program that is given a secret, and tells it in every way it knows; and one that fails over it.
pub const LEAK: (&str, &str) = (
    "shop/leak.yaml",
    r##"
name: leak
summary: Tells what it was given
environments: [prod, dev]
allow:
  - { roles: [operator] }
steps:
  - id: tell
    title: Tell it
    action: shell
    effect: change
    with: { argv: ["${dir}/tell"], env: { TOKEN: { secret: canary } } }
    expect: [ { fact: stdout, contains: nothing-like-it, label: told } ]
    on_fail: continue
  - id: call
    title: Send it
    action: http
    with: { url: "http://127.0.0.1:9/{{ run.id }}", headers: { Authorization: { secret: canary, prefix: "Bearer " } } }
"##,
);

/// All of them.
pub const ALL: &[(&str, &str)] = &[ROLLBACK, HEALTH, WIPE, MIGRATE, SLOW, SHIFT, PICK, LEAK];
