//! `mongo`: looks at a MongoDB database: whether it answers, how many documents there are, and a few of them. The
//! official driver speaks; nothing here changes anything, and no script runs on the server. Why that driver, and what
//! it can do: docs/decisions/0017.

mod apart;
mod documents;
mod fields;

use std::time::Duration;

use async_trait::async_trait;
use bson::doc;
use futures_util::{StreamExt as _, TryStreamExt as _};
use mongodb::error::ErrorKind;
use mongodb::options::ClientOptions;
use mongodb::{Client, Collection, Database};
use serde_json::{Value, json};

use self::apart::Apart;
use self::documents::Found;
pub use self::fields::Verb;
use self::fields::{Fields, Job, Mongo};
use super::attempt::{at_least, look};
use super::{Action, ActionSpec, StepContext, Tools, read, schema_of};
use crate::domain::figure::Grid;
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};

/// Its row in the table.
pub(super) const SPEC: ActionSpec = ActionSpec {
    name: "mongo",
    summary: "Looks at a MongoDB database: whether it answers, how many documents, a few of them.",
    example: "do: find\nserver: {secret: shop_mongo}\ncollection: orders\nfilter: {state: pending}\n\
              hide: [email]\nlimit: 5\n",
    schema: schema_of::<Fields>,
    parse: |with| Ok(Box::new(read::<Fields>(with)?.check()?)),
};

/// Longest wait for a server that can be asked.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest wait for a server to take leave.
const LEAVE: Duration = Duration::from_secs(1);
/// Documents that the server sends at once: a document may have 16 MiB.
const BATCH: u32 = 2;
/// Collections that are listed.
const COLLECTIONS: usize = 500;

#[async_trait]
impl Action for Mongo {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        at_least(Effect::Read, declared)
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.server.clone()]
    }

    async fn plan(&self, _tools: &Tools) -> Result<Plan, Sentence> {
        let line = match &self.job {
            Job::Ping => sentence!("action.mongo_ping"),
            Job::Collections => sentence!("action.mongo_collections"),
            Job::Count { collection, filter } => {
                sentence!("action.mongo_count", collection, filter => filter.to_string())
            }
            Job::Find { collection, filter, limit, .. } => {
                sentence!("action.mongo_find", collection, filter => filter.to_string(), limit => *limit)
            }
        };
        Ok(Plan {
            action: SPEC.name.to_owned(),
            effect: Effect::Read,
            target: sentence!("action.mongo_server", name => &self.server),
            line,
            exact: self.exact(),
        })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        look(cx, async {
            let apart = Apart::start().map_err(|error| sentence!("action.mongo_lost", why => error.to_string()))?;
            let work = async {
                let (client, database) = self.open(cx).await?;
                let report = self.report(&database, cx.timeout).await;
                // What was found counts, whatever becomes of the server by now.
                let _ = tokio::time::timeout(LEAVE, client.shutdown().immediate(true)).await;
                report
            };
            apart.run(work).await
        })
        .await
    }
}

impl Mongo {
    async fn open(&self, cx: &StepContext) -> Result<(Client, Database), Sentence> {
        let secret = cx.tools.secrets.get(&self.server);
        let secret = secret.ok_or_else(|| sentence!("action.no_secret", secret => &self.server))?;
        // An error of the parser may quote the address.
        let no = |_: mongodb::error::Error| sentence!("action.mongo_no_address", secret => &self.server);
        let mut options = ClientOptions::parse(secret.reveal().trim()).await.map_err(no)?;
        options.app_name = Some("sereno".to_owned());
        options.connect_timeout.get_or_insert(CONNECT);
        options.server_selection_timeout.get_or_insert(CONNECT);
        options.max_pool_size = Some(1);
        let name = self.database.clone().or_else(|| options.default_database.clone());
        let name = name.ok_or_else(|| sentence!("action.mongo_no_database"))?;
        let client = Client::with_options(options).map_err(|error| says(&error))?;
        let database = client.database(&name);
        Ok((client, database))
    }

    async fn report(&self, database: &Database, within: Duration) -> Result<Report, Sentence> {
        let says = |error: mongodb::error::Error| says(&error);
        match &self.job {
            Job::Ping => {
                database.run_command(doc! { "ping": 1 }).await.map_err(says)?;
                Ok(Report::new(json!({ "pong": true }), sentence!("action.mongo_answers")))
            }
            Job::Collections => {
                let cursor = database.list_collections().await.map_err(says)?;
                let names = cursor.map_ok(|collection| collection.name).take(COLLECTIONS);
                let mut names: Vec<String> = names.try_collect().await.map_err(says)?;
                names.sort();
                let count = names.len();
                let table =
                    Grid::new(vec![sentence!("action.column_name")], names.iter().map(|name| vec![name.clone()]));
                let line = sentence!("action.mongo_has", count);
                Ok(Report { table: Some(table), ..Report::new(json!({ "names": names, "count": count }), line) })
            }
            Job::Count { collection, filter } => {
                let collection: Collection<bson::Document> = database.collection(collection);
                let count = collection.count_documents(fields::document(filter)?).max_time(within).await;
                let count = count.map_err(says)?;
                Ok(Report::new(json!({ "count": count }), sentence!("action.mongo_documents", count)))
            }
            Job::Find { collection, filter, projection, sort, limit, hide } => {
                let collection: Collection<bson::RawDocumentBuf> = database.collection(collection);
                let find = collection.find(fields::document(filter)?).limit((*limit).into());
                let find = find.projection(fields::document(projection)?).sort(fields::document(sort)?);
                let mut cursor = find.batch_size(BATCH).max_time(within).await.map_err(says)?;
                let mut found = Found::new(hide);
                while let Some(document) = cursor.next().await {
                    if !found.take(&document.map_err(says)?)? {
                        break;
                    }
                }
                Ok(found.report())
            }
        }
    }

    fn exact(&self) -> Value {
        let mut exact = match &self.job {
            Job::Ping => json!({ "do": "ping" }),
            Job::Collections => json!({ "do": "collections" }),
            Job::Count { collection, filter } => json!({ "do": "count", "collection": collection, "filter": filter }),
            Job::Find { collection, filter, projection, sort, limit, hide } => json!({
                "do": "find", "collection": collection, "filter": filter, "projection": projection, "sort": sort,
                "limit": limit, "hide": hide,
            }),
        };
        exact["server"] = json!({ "secret": self.server });
        exact["database"] = json!(self.database);
        exact
    }
}

/// What the server or the driver says against it.
fn says(error: &mongodb::error::Error) -> Sentence {
    match &*error.kind {
        ErrorKind::Command(refused) => {
            sentence!("action.mongo_says", why => format!("{} ({})", refused.message, refused.code_name))
        }
        ErrorKind::Io(error) => sentence!("action.mongo_gone", why => error.to_string()),
        ErrorKind::ServerSelection { message, .. } | ErrorKind::ConnectionPoolCleared { message, .. } => {
            sentence!("action.mongo_gone", why => last(message))
        }
        other => sentence!("action.mongo_lost", why => other.to_string()),
    }
}

/// The last error of a server, if there was one, out of all that the driver knows of all servers.
fn last(message: &str) -> &str {
    let error = message.split_once("Kind: ").and_then(|(_, rest)| rest.split_once(", labels: "));
    error.map_or_else(|| message.split(" Topology: ").next().unwrap_or(message), |(error, _)| error)
}
