//! Browsers for tests: Chromium driven through chromedriver by the WebDriver protocol, just as much of it as is needed.
#![allow(dead_code)] // every test file uses a part of it
#![allow(clippy::disallowed_methods)] // processes that were started are ended

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Child;

use crate::install::{eventually, free_port, http, status};
use crate::program;

/// The key under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Quiet, without network of its own, and with nothing of another run.
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--force-prefers-reduced-motion",
    "--lang=en",
];

/// A running chromedriver.
pub struct Driver {
    _process: Child,
    url: String,
    chromium: String,
    dir: tempfile::TempDir,
}

impl Driver {
    /// Starts it; none, said as skipped, where a part is missing.
    pub async fn start() -> Option<Self> {
        let driver = program::find("SERENO_TEST_CHROMEDRIVER", "/usr/bin/chromedriver");
        let chromium = program::find("SERENO_TEST_CHROMIUM", "/usr/bin/chromium");
        let (driver, chromium) = (driver?, chromium?);
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let process = program::start(&driver, &[format!("--port={port}")], &dir.path().join("log"));
        let url = format!("http://127.0.0.1:{port}");
        let ready = format!("{url}/status");
        eventually("chromedriver answers", async || (status(&ready).await == Some(200)).then_some(())).await;
        Some(Self { _process: process, url, chromium, dir })
    }

    /// A browser with a fresh profile, this large.
    pub async fn browser(&self, name: &str, (width, height): (u32, u32)) -> Browser {
        let profile = format!("--user-data-dir={}", self.dir.path().join(name).display());
        let window = format!("--window-size={width},{height}");
        let flags: Vec<&str> = FLAGS.iter().copied().chain([profile.as_str(), window.as_str()]).collect();
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": self.chromium, "args": flags},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let session = call(Method::POST, &format!("{}/session", self.url), Some(wanted)).await;
        let process = session["capabilities"]["goog:processID"].as_i64();
        let browser = Browser {
            url: format!("{}/session/{}", self.url, session["sessionId"].as_str().unwrap()),
            process: process.and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw),
        };
        browser.resize(width, height).await;
        browser
    }
}

/// A browser; ended when dropped.
pub struct Browser {
    url: String,
    process: Option<Pid>,
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(process) = self.process {
            let _ = kill(process, Signal::SIGKILL);
        }
    }
}

/// An element of a page.
pub struct Element(String);

impl Browser {
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        call(method, &format!("{}/{path}", self.url), body).await
    }

    /// Makes the page this large, as on a device with such a screen.
    pub async fn resize(&self, width: u32, height: u32) {
        let screen = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        let body = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": screen});
        self.ask(Method::POST, "goog/cdp/execute", Some(body)).await;
    }

    /// Goes to a page.
    pub async fn open(&self, url: &str) {
        self.ask(Method::POST, "url", Some(json!({"url": url}))).await;
    }

    /// The address of the page.
    pub async fn location(&self) -> String {
        self.ask(Method::GET, "url", None).await.as_str().unwrap().to_owned()
    }

    /// Forgets every cookie, as when a session is over.
    pub async fn forgets(&self) {
        self.ask(Method::DELETE, "cookie", None).await;
    }

    /// Runs a script in the page; what it returns.
    pub async fn eval(&self, script: &str) -> Value {
        self.ask(Method::POST, "execute/sync", Some(json!({"script": script, "args": []}))).await
    }

    /// The first element that matches a CSS selector, as soon as there is one.
    pub async fn find(&self, selector: &str) -> Element {
        let body = json!({"using": "css selector", "value": selector});
        let found = eventually(selector, async || {
            let found = self.ask(Method::POST, "elements", Some(body.clone())).await;
            Some(found.as_array()?.first()?[ELEMENT].as_str()?.to_owned())
        });
        Element(found.await)
    }

    /// Whether something matches now.
    pub async fn has(&self, selector: &str) -> bool {
        let body = json!({"using": "css selector", "value": selector});
        let found = self.ask(Method::POST, "elements", Some(body)).await;
        found.as_array().is_some_and(|found| !found.is_empty())
    }

    /// The visible text of the first element that matches.
    pub async fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({})?.innerText ?? ''", json!(selector));
        self.eval(&script).await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the visible text of the page holds something.
    pub async fn shows(&self, text: &str) {
        eventually(text, async || self.text("body").await.contains(text).then_some(())).await;
    }

    /// Clicks where the first match is, as a person would.
    pub async fn click(&self, selector: &str) {
        let Element(id) = self.find(selector).await;
        let middle = format!("document.querySelector({})?.scrollIntoView({{block: 'center'}})", json!(selector));
        self.eval(&middle).await;
        self.ask(Method::POST, &format!("element/{id}/click"), Some(json!({}))).await;
    }

    /// Types into the first match.
    pub async fn fill(&self, selector: &str, text: &str) {
        let Element(id) = self.find(selector).await;
        self.ask(Method::POST, &format!("element/{id}/value"), Some(json!({"text": text}))).await;
    }

    /// Presses keys, one after another, wherever the focus is.
    pub async fn keys(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key.to_string()})))
            .collect();
        let body = json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]});
        self.ask(Method::POST, "actions", Some(body)).await;
    }

    /// Keeps a picture of what is seen under `target/artefacts`.
    pub async fn picture(&self, name: &str) {
        let picture = self.ask(Method::GET, "screenshot", None).await;
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, picture.as_str().unwrap());
        let folder: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("artefacts");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name).with_extension("png"), bytes.unwrap()).unwrap();
    }

    /// What the page's scripts complained about since the last time.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.ask(Method::POST, "se/log", Some(json!({"type": "browser"}))).await;
        let severe = log.as_array().unwrap().iter().filter(|entry| entry["level"] == "SEVERE");
        severe.map(|entry| entry["message"].to_string()).collect()
    }
}

async fn call(method: Method, url: &str, body: Option<Value>) -> Value {
    let request = http().request(method, url).timeout(Duration::from_secs(60));
    let request = if let Some(body) = body { request.json(&body) } else { request };
    let answer = request.send().await.unwrap_or_else(|error| panic!("{url}: {error}"));
    let (status, mut value) = (answer.status(), answer.json::<Value>().await.unwrap());
    assert!(status.is_success(), "{url}: {value:#}");
    value["value"].take()
}
