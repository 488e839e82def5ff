//! A mail server that keeps what it is given: strict about the order of commands, about line ends, and about signing in
//! without encryption. It can be told to refuse, to fall silent, or to hang up.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufStream};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// How it behaves.
#[derive(Clone, Default)]
pub struct Manners {
    /// Offers STARTTLS with this.
    pub tls: Option<TlsAcceptor>,
    /// User and password without which it takes nothing.
    pub sign_in: Option<(&'static str, &'static str)>,
    /// Answers a command that begins like this with that line instead.
    pub instead: Vec<(&'static str, &'static str)>,
    /// What it does once a message has arrived.
    pub ending: Ending,
}

/// What it does once a message has arrived.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Ending {
    /// Takes it.
    #[default]
    Accept,
    /// Refuses it for good.
    Refuse,
    /// Says nothing more.
    Silence,
    /// Hangs up.
    HangUp,
}

/// A message that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    /// Headers and body, with `\n`.
    pub text: String,
    /// Whether the way was encrypted.
    pub encrypted: bool,
}

/// What was taken so far.
#[derive(Clone, Default)]
pub struct Mailbox(Arc<Mutex<Vec<Mail>>>);

impl Mailbox {
    /// All of it.
    #[must_use]
    pub fn all(&self) -> Vec<Mail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Serves on loopback; answers the port and what is taken.
///
/// # Errors
/// When no port is free.
pub async fn serve(manners: Manners) -> std::io::Result<(u16, Mailbox)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let mailbox = Mailbox::default();
    let kept = mailbox.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, manners.clone(), kept.clone()));
        }
    });
    Ok((port, mailbox))
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(stream: S, manners: Manners, mailbox: Mailbox) {
    let mut plain = BufStream::new(stream);
    if say(&mut plain, "220 fake.test ESMTP").await.is_err() {
        return;
    }
    let acceptor = manners.tls.clone();
    let Ok(true) = converse(&mut plain, &manners, &mailbox, false).await else { return };
    if let Some(acceptor) = acceptor
        && let Ok(stream) = acceptor.accept(plain.into_inner()).await
    {
        let _ = converse(&mut BufStream::new(stream), &manners, &mailbox, true).await;
    }
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, line: &str) -> std::io::Result<()> {
    stream.write_all(format!("{line}\r\n").as_bytes()).await?;
    stream.flush().await
}

/// A line without its end; one that does not end in CR LF is none.
async fn line<S: AsyncBufRead + Unpin>(stream: &mut S) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    stream.read_until(b'\n', &mut bytes).await?;
    Ok(bytes.strip_suffix(b"\r\n").map(|line| String::from_utf8_lossy(line).into_owned()))
}

/// One conversation; true when it is to go on encrypted.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufStream<S>,
    manners: &Manners,
    mailbox: &Mailbox,
    encrypted: bool,
) -> std::io::Result<bool> {
    let (mut hello, mut inside) = (false, manners.sign_in.is_none());
    let (mut from, mut to) = (None::<String>, Vec::new());
    while let Some(said) = line(stream).await? {
        if let Some((_, instead)) = manners.instead.iter().find(|(begins, _)| said.starts_with(begins)) {
            say(stream, instead).await?;
            continue;
        }
        let address = |prefix: &str| {
            let rest = said.strip_prefix(prefix)?.strip_prefix('<')?;
            rest.split_once('>').map(|(address, _)| address.to_owned())
        };
        let answer = match said.split(' ').next().unwrap_or_default() {
            "EHLO" => {
                hello = true;
                let mut offers = vec!["fake.test"];
                offers.extend((manners.tls.is_some() && !encrypted).then_some("STARTTLS"));
                offers.extend((manners.sign_in.is_some() && encrypted).then_some("AUTH PLAIN"));
                for offer in &offers {
                    say(stream, &format!("250-{offer}")).await?;
                }
                "250 8BITMIME"
            }
            "STARTTLS" if hello && manners.tls.is_some() && !encrypted => {
                say(stream, "220 go ahead").await?;
                return Ok(true);
            }
            "AUTH" if hello && encrypted => {
                let wanted = manners.sign_in.map(|(user, password)| STANDARD.encode(format!("\0{user}\0{password}")));
                inside = wanted.is_some_and(|wanted| said == format!("AUTH PLAIN {wanted}"));
                if inside { "235 welcome" } else { "535 5.7.8 wrong user or password" }
            }
            "MAIL" if hello && from.is_none() => match (inside, address("MAIL FROM:")) {
                (true, Some(address)) => {
                    from = Some(address);
                    "250 ok"
                }
                (false, _) => "530 5.7.0 sign in first",
                _ => "501 that is no address",
            },
            "RCPT" if from.is_some() => match address("RCPT TO:") {
                Some(address) => {
                    to.push(address);
                    "250 ok"
                }
                None => "501 that is no address",
            },
            "DATA" if !to.is_empty() => {
                say(stream, "354 end with a dot").await?;
                let mut text = String::new();
                loop {
                    match line(stream).await? {
                        Some(dot) if dot == "." => break,
                        Some(one) => text = format!("{text}{}\n", one.strip_prefix('.').unwrap_or(&one)),
                        None => return Ok(false),
                    }
                }
                match manners.ending {
                    Ending::Accept => {}
                    Ending::Refuse => {
                        say(stream, "554 5.7.1 that is spam").await?;
                        continue;
                    }
                    Ending::Silence => std::future::pending().await,
                    Ending::HangUp => return Ok(false),
                }
                let mail = Mail { from: from.take().unwrap_or_default(), to: std::mem::take(&mut to), text, encrypted };
                mailbox.0.lock().unwrap_or_else(PoisonError::into_inner).push(mail);
                "250 2.0.0 queued"
            }
            "QUIT" => {
                say(stream, "221 bye").await?;
                return Ok(false);
            }
            _ => "503 5.5.1 not now",
        };
        say(stream, answer).await?;
    }
    Ok(false)
}
