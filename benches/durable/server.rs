//! A server in a process of its own, all of them started the same way: its memory can be told from the clients', and
//! it ends with this process, whatever becomes of it.

use std::io::Read as _;
use std::net::SocketAddr;
use std::process::Stdio;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::{floor, product};

/// What serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The bare handler.
    Floor,
    /// The product without the engine's loops: what is accepted stays in the inbox.
    Doors,
    /// The product as in production.
    Whole,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Doors => "doors",
            Self::Whole => "whole",
        }
    }
}

impl FromStr for Kind {
    type Err = anyhow::Error;

    fn from_str(word: &str) -> Result<Self> {
        let kinds = [Self::Floor, Self::Doors, Self::Whole];
        kinds.into_iter().find(|kind| kind.word() == word).with_context(|| format!("no server {word}"))
    }
}

/// A running server.
pub struct Server {
    pub address: SocketAddr,
    child: Child,
}

impl Server {
    /// With the address of a Slack's Web API, or none.
    pub async fn start(kind: Kind, url: &str, slack: Option<&str>) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", kind.word(), url])
            .args(slack)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let Some(address) = lines.next_line().await? else { bail!("the server {} ended at its start", kind.word()) };
        Ok(Self { address: address.parse()?, child })
    }

    /// Most memory that it ever had at once, in MiB.
    pub fn peak_memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap_or_default()))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let kib: u64 = peak.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib / 1024)
    }

    pub async fn end(mut self) -> Result<()> {
        self.child.kill().await.context("the server could not be ended")
    }
}

/// Is the server: tells its address, and serves until its parent is gone.
pub async fn serve(kind: Kind, url: &str, slack: Option<&str>) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    match kind {
        Kind::Floor => floor::serve(listener, url).await,
        Kind::Doors => product::serve(listener, url, slack, false).await,
        Kind::Whole => product::serve(listener, url, slack, true).await,
    }
}
