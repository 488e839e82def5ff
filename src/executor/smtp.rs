//! `smtp`: one e-mail, in plain text, by a mail server. Encrypted unless the runbook says otherwise: a server that
//! offers no STARTTLS is not told the message. Knows nothing of who reads it.

use async_trait::async_trait;
use lettre::address::Envelope;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::attempt::{Fault, Sent, at_least, change};
use super::net::capped::Capped;
use super::net::{Endpoint, connect, trust};
use super::value::{SecretRef, SecretText, Text};
use super::{Action, ActionSpec, StepContext, Tools, listed, read, schema_of};
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};
use crate::domain::text_enum;

/// Its row in the table.
pub(super) const SPEC: ActionSpec = ActionSpec {
    name: "smtp",
    summary: "Sends one e-mail in plain text.",
    example: "server: mail.example.com:587\nuser: sereno\npassword: {secret: mail_password}\n\
              from: Sereno <sereno@example.com>\nto: [on-call@example.com]\nsubject: Restore finished\n\
              body: The database is back.\n",
    schema: schema_of::<Smtp>,
    parse: |with| {
        let smtp: Smtp = read(with)?;
        smtp.check()?;
        Ok(Box::new(smtp))
    },
};

/// Bytes that a server may say in one step.
const ANSWERS: usize = 256 * 1024;
/// People who may be written to at once.
const PEOPLE: usize = 20;
/// Longest text, in bytes.
const LONGEST: usize = 64 * 1024;

text_enum! {
    /// How the way to the server is encrypted.
    Security {
        /// It begins in the open and is encrypted before anything is said. Port 587.
        Starttls = "starttls",
        /// It is encrypted from the beginning. Port 465.
        Tls = "tls",
        /// It is not. Port 25.
        None = "none",
    }
}

/// An e-mail. Facts: `message_id`, `accepted` (how many recipients), `answer` (the server's last words).
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Smtp {
    /// The mail server, as in `mail.example.com:587`. The usual port without.
    server: Text,
    /// How the way there is encrypted. `starttls` without.
    #[serde(default = "starttls")]
    security: Security,
    /// A PEM file with further certificate authorities to trust, an absolute path.
    #[serde(default)]
    authority: Option<Text>,
    /// Who signs in, with `password`.
    #[serde(default)]
    user: Option<SecretText>,
    /// A secret of the configuration.
    #[serde(default)]
    password: Option<SecretRef>,
    /// The sender, as in `Sereno <sereno@example.com>`.
    from: Text,
    /// The recipients, at most twenty.
    #[schemars(length(min = 1, max = 20))]
    to: Vec<Text>,
    /// One line.
    subject: Text,
    /// Plain text.
    body: Text,
}

fn starttls() -> Security {
    Security::Starttls
}

#[async_trait]
impl Action for Smtp {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        at_least(Effect::Change, declared)
    }

    fn secrets(&self) -> Vec<String> {
        let user = self.user.as_ref().and_then(SecretText::secret).map(str::to_owned);
        user.into_iter().chain(self.password.as_ref().map(|password| password.secret.clone())).collect()
    }

    async fn plan(&self, _tools: &Tools) -> Result<Plan, Sentence> {
        self.mailboxes()?;
        let server = self.endpoint()?.to_string();
        let to: Vec<&str> = self.to.iter().map(|to| to.0.as_str()).collect();
        Ok(Plan {
            action: SPEC.name.to_owned(),
            effect: Effect::Change,
            target: Sentence::Plain(listed(&to)),
            line: sentence!("action.smtp", to => listed(&to), subject => &self.subject.0),
            exact: json!({
                "server": server, "security": self.security, "authority": self.authority.as_ref().map(|path| &path.0),
                "user": self.user.as_ref().map(SecretText::shown), "password": self.password,
                "from": self.from.0, "to": to, "subject": self.subject.0, "body": self.body.0,
            }),
        })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        let sent = Sent::default();
        change(cx, &sent, self.send(cx, &sent)).await
    }
}

impl Smtp {
    fn check(&self) -> Result<(), Sentence> {
        if self.to.is_empty() || self.to.len() > PEOPLE {
            return Err(sentence!("action.smtp_people", most => PEOPLE));
        }
        if self.user.is_some() != self.password.is_some() {
            return Err(sentence!("action.smtp_half_sign_in"));
        }
        if self.password.is_some() && self.security == Security::None {
            return Err(sentence!("action.smtp_open_password"));
        }
        if self.subject.0.contains(['\r', '\n']) {
            return Err(sentence!("action.smtp_subject"));
        }
        if self.body.0.len() > LONGEST {
            return Err(sentence!("action.smtp_long", most => LONGEST));
        }
        // Only what is an address for certain; the rest may come from an argument, and is judged by the plan.
        let all = self.to.iter().chain([&self.from]).filter(|one| one.0.contains('@'));
        all.map(mailbox).collect::<Result<Vec<_>, _>>().map(|_| ())
    }

    fn mailboxes(&self) -> Result<(Mailbox, Vec<Mailbox>), Sentence> {
        Ok((mailbox(&self.from)?, self.to.iter().map(mailbox).collect::<Result<_, _>>()?))
    }

    fn endpoint(&self) -> Result<Endpoint, Sentence> {
        let port = match self.security {
            Security::Starttls => 587,
            Security::Tls => 465,
            Security::None => 25,
        };
        Endpoint::read(&self.server.0, Some(port))
    }

    async fn send(&self, cx: &StepContext, sent: &Sent) -> Result<Report, Fault> {
        let (from, to) = self.mailboxes()?;
        let id = format!("<{}@{}>", cx.idempotency_key.to_lowercase(), from.email.domain());
        let mut message = Message::builder()
            .from(from.clone())
            .subject(self.subject.0.as_str())
            .message_id(Some(id.clone()))
            .date(std::time::SystemTime::UNIX_EPOCH + cx.started_at.since(crate::clock::Timestamp(0)))
            .header(ContentType::TEXT_PLAIN);
        for one in &to {
            message = message.to(one.clone());
        }
        let odd = |why: String| sentence!("action.smtp_odd", why);
        let message = message.body(self.body.0.clone()).map_err(|error| odd(error.to_string()))?;
        let recipients: Vec<_> = to.iter().map(|one| one.email.clone()).collect();
        let count = recipients.len();
        let envelope = Envelope::new(Some(from.email), recipients).map_err(|error| odd(error.to_string()))?;

        let mut connection = self.connect(cx).await?;
        // Up to here, and until the last recipient is taken, nothing has been sent.
        connection.command(Mail::new(envelope.from().cloned(), Vec::new())).await.map_err(|error| says(&error))?;
        for one in envelope.to() {
            let taken = connection.command(Rcpt::new(one.clone(), Vec::new())).await;
            taken.map_err(|error| sentence!("action.smtp_not_taken", to => one.to_string(), why => says(&error)))?;
        }
        connection.command(Data).await.map_err(|error| says(&error))?;
        sent.now();
        let answer = connection.message(&message.formatted()).await.map_err(|error| match error.status() {
            Some(_) => Fault::Failed(says(&error)),
            None => Fault::Lost(says(&error)),
        })?;
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), connection.quit()).await;
        let said: Vec<&str> = answer.message().collect();
        let facts: Value = json!({ "message_id": id, "accepted": count, "answer": said.join(" ") });
        Ok(Report::new(facts, sentence!("action.smtp_taken", count)))
    }

    /// Opens the way to the server, encrypted as the step says, and signs in.
    async fn connect(&self, cx: &StepContext) -> Result<AsyncSmtpConnection, Sentence> {
        let to = self.endpoint()?;
        let authority = trust::authority(self.authority.as_ref()).await?;
        let hello = ClientId::Domain("sereno.localdomain".to_owned());
        let stream: Box<dyn AsyncTokioStream> = if self.security == Security::Tls {
            let stream = trust::open(&to, &authority.clone().unwrap_or_default()).await?;
            let peer = stream.get_ref().0.peer_addr().ok();
            Box::new(Capped::new(stream, ANSWERS).to(peer))
        } else {
            let stream = connect(&to).await?;
            let peer = stream.peer_addr().ok();
            Box::new(Capped::new(stream, ANSWERS).to(peer))
        };
        let opened = AsyncSmtpConnection::connect_with_transport(stream, &hello).await;
        let mut connection = opened.map_err(|error| says(&error))?;
        if self.security == Security::Starttls {
            if !connection.can_starttls() {
                return Err(sentence!("action.smtp_no_starttls", server => to.to_string()));
            }
            let parameters = parameters(&to.host, authority.as_deref())?;
            connection.starttls(parameters, &hello).await.map_err(|error| says(&error))?;
        }
        if let (Some(user), Some(password)) = (&self.user, &self.password) {
            let password = SecretText::Secret(password.clone()).reveal(&cx.tools)?;
            let credentials = Credentials::new(user.reveal(&cx.tools)?, password);
            let in_ = connection.auth(DEFAULT_MECHANISMS, &credentials).await;
            in_.map_err(|error| sentence!("action.smtp_not_in", why => says(&error)))?;
        }
        Ok(connection)
    }
}

fn mailbox(Text(text): &Text) -> Result<Mailbox, Sentence> {
    text.parse().map_err(|_| sentence!("action.smtp_no_address", text))
}

/// What is trusted once STARTTLS was agreed on.
fn parameters(host: &str, authority: Option<&[u8]>) -> Result<TlsParameters, Sentence> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(authority) = authority {
        let certificate = Certificate::from_pem(authority);
        let certificate =
            certificate.map_err(|error| sentence!("action.http_bad_authority", why => error.to_string()))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(|error| says(&error))
}

/// What the server, or the way to it, says against it.
fn says(error: &Error) -> Sentence {
    let mut why = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        why = format!("{why}: {inner}");
        cause = inner.source();
    }
    sentence!("action.smtp_says", why)
}
