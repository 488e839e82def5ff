//! The page while it is open: a proxy in front of it that fails for a while, old messages that change, a form that is
//! being filled in.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::browser::Driver;
use crate::install::{Install, http, token};
use crate::{DESKTOP, assert_not_reloaded, live, mark, signed_in};

/// A proxy in front of a server. While it is broken it answers 502, as proxies do whose server restarts.
struct Door {
    port: u16,
    works: watch::Sender<bool>,
}

impl Door {
    async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (works, state) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server, state.clone()));
            }
        });
        Self { port, works }
    }
}

async fn pass(mut client: TcpStream, server: u16, mut works: watch::Receiver<bool>) {
    if *works.borrow() {
        let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
            _ = works.wait_for(|works| !works) => {}
        }
        return;
    }
    let _ = client.read(&mut [0; 4096]).await;
    let _ = client.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_failed_for_a_while_does_not_end_the_live_view() {
    let Some(driver) = Driver::start().await else { return };
    let install = Install::new();
    let _server = install.serve().await;
    let ana = signed_in(&driver, &install, "ana", DESKTOP).await;
    let door = Door::before(install.port).await;
    ana.open(&format!("http://127.0.0.1:{}/", door.port)).await;
    live(&ana).await;
    mark(&ana).await;
    door.works.send_replace(false);
    ana.find("#connection[data-state=lost]").await;
    install.say("leo", "said while it was away").await;
    door.works.send_replace(true);
    ana.shows("said while it was away").await;
    live(&ana).await;
    assert_not_reloaded(&ana).await;

    // A session that is over: trying again would never help.
    ana.forgets().await;
    door.works.send_replace(false);
    ana.find("#connection[data-state=lost]").await;
    door.works.send_replace(true);
    ana.shows("You are signed out").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_older_than_the_page_does_not_come_back_as_news() {
    let Some(driver) = Driver::start().await else { return };
    let install = Install::new();
    let _server = install.serve().await;
    let [old] = install.say("ana", "/ops rollback api prod").await.try_into().unwrap();
    for number in 0..55 {
        install.say("eva", &format!("line {number}")).await;
    }
    let ana = signed_in(&driver, &install, "ana", DESKTOP).await;
    let order = "return [...document.querySelectorAll('.log article')].map(each => Number(each.dataset.seq))";
    let before = ana.eval(order).await;
    assert!(!ana.has(&format!("#m-{}", old["id"].as_str().unwrap())).await, "it is not on the page");
    install.press("leo", &old, "approve").await;
    install.say("eva", "the last word").await;
    ana.shows("the last word").await;
    let after = ana.eval(order).await;
    let (before, after) = (before.as_array().unwrap(), after.as_array().unwrap());
    assert_eq!(after[..before.len()], before[..]);
    assert_eq!(after.len(), before.len() + 1, "only the last word came");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_filled_form_stays_whatever_happens_around_it() {
    const TAB: char = '\u{e004}';
    const ENTER: char = '\u{e007}';
    let Some(driver) = Driver::start().await else { return };
    let install = Install::new();
    let _server = install.serve().await;
    let leo = signed_in(&driver, &install, "leo", DESKTOP).await;
    let [card] = install.say("ana", "/ops rollback api prod").await.try_into().unwrap();
    let article = format!("#m-{}", card["id"].as_str().unwrap());
    leo.find(&format!("{article}[data-state=awaiting_approval]")).await;
    let refuse = format!("{article} details:has(button[value=refuse])");
    leo.click(&format!("{refuse} summary")).await;
    leo.fill(&format!("{refuse} :is(textarea, input:not([type=hidden]))"), "not during the sale").await;
    leo.eval("document.activeElement.blur()").await;
    let thread = json!({"channel": "#infra", "text": "is it urgent?", "thread": card["id"]});
    let url = install.url("/api/v1/messages");
    let sent = http().post(url).bearer_auth(token("ana")).json(&thread).send().await;
    assert!(sent.unwrap().status().is_success());
    install.say("ana", "anybody there?").await;
    leo.shows("anybody there?").await;
    // Longer than a card takes to be replaced.
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    let typed = format!("return document.querySelector('{refuse} :is(textarea, input:not([type=hidden]))').value");
    assert_eq!(leo.eval(&typed).await, "not during the sale");
    leo.eval(&format!("document.querySelector('{refuse} :is(textarea, input:not([type=hidden]))').focus()")).await;
    leo.keys(&format!("{TAB}{ENTER}")).await;
    leo.find(&format!("{article}[data-state=refused]")).await;
    leo.shows("not during the sale").await;
}
