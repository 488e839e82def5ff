//! The console in a real browser: the road from the form to the approved rollback with two people, what strangers put
//! into alerts, a phone, and no mouse. Pictures are kept under `target/artefacts`.
#![allow(clippy::disallowed_methods)] // tests ask what time it is

#[path = "../support/browser.rs"]
mod browser;
#[path = "../support/install.rs"]
mod install;
mod live_view;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/mod.rs"]
mod support;

use browser::{Browser, Driver};
use install::{Install, alert_body, eventually, status};
use serde_json::{Value, json};

const DESKTOP: (u32, u32) = (1200, 900);
const PHONE: (u32, u32) = (360, 740);

/// A browser in which a person has signed in with a one-time link.
async fn signed_in(driver: &Driver, install: &Install, person: &str, screen: (u32, u32)) -> Browser {
    let link = link(install, person).await;
    assert_eq!(status(&link).await, Some(200));
    let browser = driver.browser(person, screen).await;
    browser.open(&link).await;
    assert!(browser.location().await.contains("/sign-in"), "looking at it, even twice, does not use it up");
    browser.click("main form button").await;
    browser.find("#composer").await;
    browser.open(&link).await;
    browser.click("main form button").await;
    browser.find("[role=alert].bad").await;
    browser.open(&install.url("/")).await;
    live(&browser).await;
    browser.complaints().await; // the refused link was one
    browser
}

async fn link(install: &Install, person: &str) -> String {
    let [card] = install.say(person, "/ops console").await.try_into().unwrap();
    let text = card["text"].as_str().unwrap();
    text.split_whitespace()
        .find(|word| word.starts_with("http"))
        .unwrap_or_else(|| panic!("a link in {text}"))
        .to_owned()
}

/// Waits until the page hears of changes.
async fn live(browser: &Browser) {
    browser.find("#connection[data-state=live]").await;
}

/// Presses Approve on the card that waits, once its thread has said so: until then the card still moves.
async fn approve(browser: &Browser) {
    let card = "article[data-state=awaiting_approval]";
    let replies = format!("{card} a.replies");
    eventually("the call for approvers", async || browser.text(&replies).await.contains("repl").then_some(())).await;
    browser.click(&format!("{card} button[value=approve]")).await;
}

/// Marks a page, so that a reload would be noticed.
async fn mark(browser: &Browser) {
    browser.eval("window.marked = true").await;
}

async fn assert_not_reloaded(browser: &Browser) {
    assert_eq!(browser.eval("return window.marked === true").await, json!(true), "the page was not loaded again");
}

/// Whether the page is wider than the screen.
async fn assert_fits(browser: &Browser) {
    let wide = "return [...document.querySelectorAll('body *')].filter(it => it.getBoundingClientRect().right \
                > innerWidth + 1 && !it.closest('.scroll, .side, .hidden, .output')).map(it => it.outerHTML.slice(0, 80))";
    let script = "return document.documentElement.scrollWidth <= innerWidth";
    assert_eq!(browser.eval(script).await, json!(true), "{:#}", browser.eval(wide).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_is_asked_for_by_one_and_approved_by_another() {
    let Some(driver) = Driver::start().await else { return };
    let install = Install::new();
    let server = install.serve().await;
    let (ana, leo) =
        tokio::join!(signed_in(&driver, &install, "ana", DESKTOP), signed_in(&driver, &install, "leo", DESKTOP));

    ana.click("nav a[href='/runbooks']").await;
    ana.click("a[href='/runbooks/ops/rollback']").await;
    ana.fill("[name='value.service']", "api").await;
    ana.fill("select[name=env]", "prod").await;
    assert_eq!(ana.eval("return document.body.scrollHeight <= innerHeight").await, json!(true), "no empty scrolling");
    ana.picture("form").await;
    ana.click("button[name=do][value=run]").await;
    ana.find("article[data-state=awaiting_approval]").await;
    live(&ana).await;
    mark(&ana).await;

    let button = "article[data-state=awaiting_approval] button[value=approve]";
    approve(&ana).await;
    const REFUSAL: &str = "somebody else must approve it";
    ana.shows(REFUSAL).await;
    ana.picture("waiting").await;
    leo.find("#waiting li").await;
    leo.find(button).await;
    assert!(!leo.text("body").await.contains(REFUSAL), "whispers are for one person");
    leo.picture("waiting-for-leo").await;
    assert!(install.effects().is_empty());

    approve(&leo).await;
    for browser in [&ana, &leo] {
        browser.find("article[data-state=done]").await;
        assert!(!browser.has(button).await, "nothing is left to press");
        browser.shows("approved by leo").await;
    }
    assert_not_reloaded(&ana).await;
    eventually("nothing waits for leo", async || (!leo.has("#waiting li").await).then_some(())).await;
    assert_eq!(install.effects(), ["api prod"]);
    ana.picture("done").await;

    ana.click("article[data-state=done] a.replies").await;
    ana.shows("Swap the release").await;
    ana.picture("thread").await;
    ana.click("nav a[href='/runs']").await;
    ana.click("main .rows a").await;
    ana.shows("Swap the release").await;
    ana.picture("run").await;
    assert_eq!(ana.complaints().await, [""; 0]);
    assert_eq!(leo.complaints().await, [""; 0]);

    ana.click("form[action='/sign-out'] button").await;
    ana.find("main form input[name=token]").await;
    ana.open(&install.url("/runs")).await;
    ana.find("main form input[name=token]").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_strangers_write_stays_text() {
    let Some(driver) = Driver::start().await else { return };
    let install = Install::new();
    let _server = install.serve().await;
    let ana = signed_in(&driver, &install, "ana", DESKTOP).await;
    mark(&ana).await;
    let script = "<script>window.pwned=1</script>";
    let hostile = format!(
        "{script}<img src=x onerror=\"window.pwned=1\"> [click](javascript:window.pwned=1) <a href=https://evil.example>x</a> \
         \u{202e}gnp.exe\u{2066} {{{{ 7*7 }}}} \" onmouseover=\"window.pwned=1"
    );
    let labels = json!({"alertname": hostile, "summary": hostile, "service": hostile, "severity": "critical"});
    let mut body = alert_body(&hostile, &labels, true);
    body["alerts"][0]["annotations"]["description"] = Value::from(hostile.as_str());
    body["alerts"][0]["generatorURL"] = "javascript:window.pwned=1".into();
    assert!(install.alert(&body).await.status().is_success());
    install.say("leo", &format!("look: {hostile}")).await;
    install.say("ana", &format!("/ops note {hostile}")).await;
    install.say("ana", &format!("/ops rollback '{script}' dev")).await;

    ana.find("article[data-state=open]").await;
    ana.shows("look: <script>").await;
    ana.picture("hostile").await;
    inert(&ana).await;
    assert_not_reloaded(&ana).await;
    ana.click("article[data-state=open] a.replies").await;
    ana.find("article[data-state=open]").await;
    inert(&ana).await;
    ana.click("nav a[href='/incidents']").await;
    ana.click("main .rows a").await;
    ana.shows("Timeline").await;
    ana.eval("document.querySelectorAll('details').forEach(it => { it.open = true })").await;
    ana.picture("hostile-incident").await;
    inert(&ana).await;
    assert_eq!(ana.complaints().await, [""; 0], "not even tried");
}

/// Nothing of what strangers wrote became more than text.
async fn inert(browser: &Browser) {
    let found = browser
        .eval(
            "const main = document.getElementById('main');
             const bad = [...main.querySelectorAll('script, iframe, img, object, a[href^=\"javascript:\"], [onerror], \
               [onmouseover], a[href*=\"evil.example\"]')].map(it => it.outerHTML);
             if (window.pwned) bad.push('a script ran');
             if (/[\\u202a-\\u202e\\u2066-\\u2069]/.test(document.body.textContent)) bad.push('a mark turns the text');
             if (!main.textContent.includes('<script>')) bad.push('the text is gone');
             if (!main.textContent.includes('{{ 7*7 }}')) bad.push('a template was evaluated');
             return bad",
        )
        .await;
    assert_eq!(found, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_is_wide_enough() {
    let Some(driver) = Driver::start().await else { return };
    let install = Install::new();
    let _server = install.serve().await;
    let labels = json!({"alertname": "ServiceDown", "service": "api", "env": "prod", "severity": "critical"});
    assert!(install.alert(&alert_body("g", &labels, true)).await.status().is_success());
    let leo = signed_in(&driver, &install, "leo", PHONE).await;
    leo.find("article[data-state=open]").await;
    let long = "x".repeat(60);
    install.say("ana", &format!("/ops rollback {long} prod")).await;
    leo.find("article[data-state=awaiting_approval]").await;
    assert_fits(&leo).await;
    leo.picture("phone").await;
    approve(&leo).await;
    leo.find("article[data-state=done]").await;
    assert_eq!(install.effects(), [format!("{long} prod")]);
    leo.click("article[data-state=open] a.replies").await;
    leo.picture("phone-thread").await;
    leo.shows("ops/health prod").await;
    assert_fits(&leo).await;
    leo.picture("phone-thread").await;
    for (path, name) in
        [("/incidents", "phone-incidents"), ("/runbooks/ops/rollback", "phone-form"), ("/runs", "phone-runs")]
    {
        leo.open(&install.url(path)).await;
        assert_fits(&leo).await;
        leo.picture(name).await;
    }
    leo.open(&install.url("/incidents")).await;
    leo.click("main .rows a").await;
    leo.shows("Timeline").await;
    assert_fits(&leo).await;
    leo.picture("phone-incident").await;
    assert_eq!(leo.complaints().await, [""; 0]);
}

/// An installation in the third day of a shift, with an alert yesterday and two today.
async fn busy_shift() -> (Install, install::Server) {
    let install = Install::new();
    let start = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(48);
    let rota = format!("{{ zone: UTC, start: \"{}\", order: [ana, leo] }}", start.strftime("%Y-%m-%dT%H:%M"));
    install.configure("console: true } }", "console: true, team: infra } }");
    install.configure("hooks:", &format!("teams: {{ infra: {{ channel: \"#infra\", rota: {rota} }} }}\nhooks:"));
    let labels = |name: &str| json!({"alertname": name, "severity": "critical"});
    let server = install.serve().await;
    assert!(install.alert(&alert_body("a", &labels("DiskFull"), true)).await.status().is_success());
    let count = async || install.get("ana", "incidents").await.as_array().map(Vec::len);
    eventually("the first incident", async || (count().await == Some(1)).then_some(())).await;
    server.stop().await;
    let url = format!("sqlite://{}", install.path("sereno.db").display());
    let mut db = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
    for sql in [
        "UPDATE incidents SET opened_at = opened_at - 86400000",
        "UPDATE alerts SET arrived_at = arrived_at - 86400000",
    ] {
        sqlx::query(sql).execute(&mut db).await.unwrap();
    }
    sqlx::Connection::close(db).await.unwrap();
    let server = install.serve().await;
    for (group, name) in [("b", "CertExpires"), ("c", "QueueGrows")] {
        assert!(install.alert(&alert_body(group, &labels(name), true)).await.status().is_success());
    }
    eventually("the others", async || (count().await == Some(3)).then_some(())).await;
    (install, server)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chart_is_drawn_and_is_read_as_a_table_on_any_screen() {
    let Some(driver) = Driver::start().await else { return };
    let (install, _server) = busy_shift().await;
    let [packet] = install.say("ana", "/ops handoff").await.try_into().unwrap();
    let rows = packet["chart"]["table"]["rows"].as_array().unwrap_or_else(|| panic!("{packet:#}")).clone();
    assert_eq!(packet["chart"]["labels"].as_array().unwrap().len(), 3);
    let told = install.sereno(&["thread", packet["id"].as_str().unwrap(), "--as", "ana"]).await.out;
    assert!(rows.iter().all(|row| told.contains(row[0].as_str().unwrap())), "{told}");

    for (person, screen, name) in [("ana", DESKTOP, "chart"), ("leo", PHONE, "phone-chart")] {
        let browser = signed_in(&driver, &install, person, screen).await;
        let card = format!("#m-{}", packet["id"].as_str().unwrap());
        browser.find(&format!("{card} figure svg[role=img]")).await;
        let heard = browser.eval(&format!(
            "const svg = document.querySelector('{card} svg[role=img]');
             return svg.getAttribute('aria-labelledby').split(' ').map(id => document.getElementById(id).textContent).join('|')"
        )).await;
        let heard = heard.as_str().unwrap();
        assert!(
            heard.contains("per day (UTC)|Bar chart of 3 points") && heard.contains("Incidents: highest 2 at"),
            "{heard}"
        );
        let bars = browser.eval(&format!(
            "return [...document.querySelectorAll('{card} .drawing .bar')].filter(it => it.getBBox().height > 1).length"
        )).await;
        assert_eq!(bars, json!(4), "two busy days, incidents and alerts in each");
        assert_fits(&browser).await;
        let letters = "return Math.min(...[...document.querySelectorAll('.drawing text')].map(it => it.getBoundingClientRect().height))";
        assert!(browser.eval(letters).await.as_f64().unwrap() >= 9.0, "its letters can be read");
        browser.eval(&format!("document.querySelector('{card} figure').scrollIntoView({{block: 'center'}})")).await;
        browser.picture(name).await;
        browser.click(&format!("{card} figure summary")).await;
        let cells = browser.eval(&format!(
            "return [...document.querySelectorAll('{card} figure tbody tr')].map(row => [...row.cells].map(cell => cell.innerText))"
        )).await;
        assert_eq!(cells, json!(rows));
        assert_fits(&browser).await;
        browser.picture(&format!("{name}-table")).await;
        assert_eq!(browser.complaints().await, [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keyboard_is_enough() {
    const TAB: char = '\u{e004}';
    const ENTER: char = '\u{e007}';
    let Some(driver) = Driver::start().await else { return };
    let install = Install::new();
    let _server = install.serve().await;
    let leo = signed_in(&driver, &install, "leo", DESKTOP).await;
    let focus = async |selector: &str| {
        for _ in 0..60 {
            let script = format!("return document.activeElement.matches({})", json!(selector));
            if leo.eval(&script).await == json!(true) {
                return;
            }
            leo.keys(&TAB.to_string()).await;
        }
        panic!("{selector} cannot be reached by Tab");
    };
    leo.keys(&TAB.to_string()).await;
    assert_eq!(leo.eval("return document.activeElement.className").await, "skip", "the content is one step away");
    focus("#composer").await;
    leo.keys(&format!("/ops health prod{ENTER}")).await;
    leo.find("article[data-state=done]").await;
    assert_eq!(leo.eval("return document.activeElement.id").await, "composer", "and it stays ready");
    assert_eq!(leo.eval("return document.activeElement.value").await, "");

    install.say("ana", "/ops rollback api prod").await;
    leo.find("article[data-state=awaiting_approval]").await;
    leo.eval("document.activeElement.blur(); document.getElementById('main').focus()").await;
    focus("button[value=approve]").await;
    leo.picture("keyboard").await;
    leo.keys(&ENTER.to_string()).await;
    eventually("the effect", async || (install.effects() == ["api prod"]).then_some(())).await;
    leo.eval("document.activeElement.blur()").await;
    leo.keys("/").await;
    assert_eq!(leo.eval("return document.activeElement.value").await, "/ops ", "a slash begins a command");
}
