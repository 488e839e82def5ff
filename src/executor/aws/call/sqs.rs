//! `aws`: queues of SQS. Messages themselves are never read.

use serde_json::{Map, Value, json};

use super::fields::{Kind, may, must};
use super::{Fault, Found, Job, Operation, number, text};
use crate::domain::runbook::Effect;
use crate::domain::sentence::sentence;
use crate::executor::aws::wire::Wire;

const MISSING: &[&str] = &["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"];
/// Most queues that are listed.
const LISTED: usize = 1000;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "sqs.list_queues",
        about: "Queues by name. Facts: queues (names), count.",
        effect: Effect::Read,
        fields: &[may("prefix", Kind::Text, "What their names begin with.")],
        look: None,
        run: |job| Box::pin(list(job)),
    },
    Operation {
        name: "sqs.queue_url",
        about: "Whether a queue is there. Facts: exists, url.",
        effect: Effect::Read,
        fields: &[must("queue", Kind::Text, "The queue's name.")],
        look: None,
        run: |job| Box::pin(find(job)),
    },
    Operation {
        name: "sqs.queue",
        about: "A queue and its dead-letter queue. Facts: messages, in_flight, delayed, arn, max_receives, \
                dead_letter_queue, dead_letter_messages (null where it has none).",
        effect: Effect::Read,
        fields: &[must("queue", Kind::Text, "The queue's name.")],
        look: None,
        run: |job| Box::pin(attributes(job)),
    },
    Operation {
        name: "sqs.create_queue",
        about: "Makes a queue unless it is there. Facts: url, created.",
        effect: Effect::Change,
        fields: &[
            must("queue", Kind::Text, "The queue's name; one that ends in .fifo keeps the order."),
            may("dead_letter_queue", Kind::Text, "The queue, which is there already, for what cannot be dealt with."),
            may("max_receives", Kind::Number(1, 1000), "After how many tries; 5 without."),
        ],
        look: None,
        run: |job| Box::pin(create(job)),
    },
    Operation {
        name: "sqs.delete_queue",
        about: "Removes a queue and all its messages. Facts: messages (about how many it had).",
        effect: Effect::Destroy,
        fields: &[must("queue", Kind::Text, "The queue's name.")],
        look: Some(|job| Box::pin(find_it(job))),
        run: |job| Box::pin(delete(job)),
    },
    Operation {
        name: "sqs.purge",
        about: "Deletes all messages of a queue. Facts: messages (about how many it had).",
        effect: Effect::Destroy,
        fields: &[must("queue", Kind::Text, "The queue's name.")],
        look: Some(|job| Box::pin(find_it(job))),
        run: |job| Box::pin(purge(job)),
    },
    Operation {
        name: "sqs.redrive",
        about: "Moves a dead-letter queue's messages back to where they came from. Facts: task, messages (about how \
                many there were).",
        effect: Effect::Change,
        fields: &[
            must("queue", Kind::Text, "The dead-letter queue's name."),
            may("to", Kind::Text, "Another queue to move them to, by name."),
        ],
        look: Some(|job| Box::pin(find_it(job))),
        run: |job| Box::pin(redrive(job)),
    },
];

fn wire(operation: &str, body: &Value) -> Wire {
    Wire::json("sqs", "1.0", &format!("AmazonSQS.{operation}"), body)
}

/// The name at the end of a URL or an ARN.
fn name(of: &str) -> &str {
    of.rsplit(['/', ':']).next().unwrap_or_default()
}

async fn list(job: &Job<'_>) -> Result<Found, Fault> {
    let mut body = json!({ "MaxResults": LISTED });
    if let Some(prefix) = job.given.text("prefix") {
        body["QueueNamePrefix"] = prefix.into();
    }
    let answer = job.read(wire("ListQueues", &body)).await?.json()?;
    let urls = answer["QueueUrls"].as_array().into_iter().flatten();
    let queues: Vec<&str> = urls.filter_map(Value::as_str).map(name).collect();
    let found = Found::line(sentence!("aws.counted", count => queues.len()));
    Ok(found.fact("count", queues.len()).fact("queues", queues))
}

/// A queue's URL; none if there is no such queue.
async fn url(job: &Job<'_>, queue: &str) -> Result<Option<String>, Fault> {
    match job.read(wire("GetQueueUrl", &json!({ "QueueName": queue }))).await {
        Ok(answer) => Ok(Some(text(&answer.json()?, "QueueUrl").to_owned())),
        Err(fault) if fault.is(MISSING) => Ok(None),
        Err(fault) => Err(fault),
    }
}

async fn url_of(job: &Job<'_>, queue: &str) -> Result<String, Fault> {
    let found = url(job, queue).await?;
    found.ok_or_else(|| Fault::Failed(sentence!("aws.none", what => queue)))
}

async fn attributes_of(job: &Job<'_>, url: &str) -> Result<Value, Fault> {
    let body = json!({ "QueueUrl": url, "AttributeNames": ["All"] });
    let mut answer = job.read(wire("GetQueueAttributes", &body)).await?.json()?;
    Ok(answer["Attributes"].take())
}

async fn find(job: &Job<'_>) -> Result<Found, Fault> {
    let found = url(job, job.text("queue")).await?;
    let line = match &found {
        Some(url) => sentence!("aws.there", what => url),
        None => sentence!("aws.none", what => job.text("queue")),
    };
    Ok(Found::line(line).fact("exists", found.is_some()).fact("url", found))
}

/// The queue that something is about to be done to; it must be there.
async fn find_it(job: &Job<'_>) -> Result<Found, Fault> {
    Ok(Found::default().fact("url", url_of(job, job.text("queue")).await?))
}

async fn attributes(job: &Job<'_>) -> Result<Found, Fault> {
    let found = attributes_of(job, &url_of(job, job.text("queue")).await?).await?;
    let count = |name: &str| number(&found[name]);
    let policy: Value = serde_json::from_str(text(&found, "RedrivePolicy")).unwrap_or_default();
    let dead = policy["deadLetterTargetArn"].as_str().map(name);
    let waiting = match dead {
        None => Value::Null,
        Some(dead) => match url(job, dead).await? {
            Some(url) => number(&attributes_of(job, &url).await?["ApproximateNumberOfMessages"]),
            None => Value::Null,
        },
    };
    let (messages, dead_messages) = (count("ApproximateNumberOfMessages"), waiting.as_i64().unwrap_or_default());
    let line = sentence!("aws.queue", messages => messages.as_i64().unwrap_or_default(), dead => dead_messages);
    Ok(Found::line(line)
        .fact("messages", messages)
        .fact("in_flight", count("ApproximateNumberOfMessagesNotVisible"))
        .fact("delayed", count("ApproximateNumberOfMessagesDelayed"))
        .fact("arn", found["QueueArn"].clone())
        .fact("max_receives", number(&policy["maxReceiveCount"]))
        .fact("dead_letter_queue", dead)
        .fact("dead_letter_messages", waiting))
}

async fn create(job: &Job<'_>) -> Result<Found, Fault> {
    let queue = job.text("queue");
    if let Some(url) = url(job, queue).await? {
        let line = sentence!("aws.there", what => &url);
        return Ok(Found::line(line).fact("url", url).fact("created", false));
    }
    let mut attributes = Map::new();
    if queue.ends_with(".fifo") {
        attributes.insert("FifoQueue".to_owned(), json!("true"));
    }
    if let Some(dead) = job.given.text("dead_letter_queue") {
        let found = attributes_of(job, &url_of(job, dead).await?).await?;
        let receives = job.given.number("max_receives").unwrap_or(5);
        let policy = json!({ "deadLetterTargetArn": found["QueueArn"], "maxReceiveCount": receives.to_string() });
        attributes.insert("RedrivePolicy".to_owned(), policy.to_string().into());
    }
    let answer = job.change(wire("CreateQueue", &json!({ "QueueName": queue, "Attributes": attributes }))).await?;
    let url = text(&answer.json()?, "QueueUrl").to_owned();
    Ok(Found::line(sentence!("aws.created", what => &url)).fact("url", url).fact("created", true))
}

/// The URL of the queue, and about how many messages it has.
async fn depth(job: &Job<'_>) -> Result<(String, Value), Fault> {
    let url = url_of(job, job.text("queue")).await?;
    let messages = number(&attributes_of(job, &url).await?["ApproximateNumberOfMessages"]);
    Ok((url, messages))
}

async fn delete(job: &Job<'_>) -> Result<Found, Fault> {
    let (url, messages) = depth(job).await?;
    job.change(wire("DeleteQueue", &json!({ "QueueUrl": url }))).await?;
    Ok(Found::line(sentence!("aws.deleted", what => job.text("queue"))).fact("messages", messages))
}

async fn purge(job: &Job<'_>) -> Result<Found, Fault> {
    let (url, messages) = depth(job).await?;
    job.change(wire("PurgeQueue", &json!({ "QueueUrl": url }))).await?;
    Ok(Found::line(sentence!("aws.emptied", what => job.text("queue"))).fact("messages", messages))
}

async fn redrive(job: &Job<'_>) -> Result<Found, Fault> {
    let found = attributes_of(job, &url_of(job, job.text("queue")).await?).await?;
    let mut body = json!({ "SourceArn": found["QueueArn"] });
    if let Some(to) = job.given.text("to") {
        body["DestinationArn"] = attributes_of(job, &url_of(job, to).await?).await?["QueueArn"].take();
    }
    let answer = job.change(wire("StartMessageMoveTask", &body)).await?.json()?;
    let messages = number(&found["ApproximateNumberOfMessages"]);
    let line = sentence!("aws.redriven", messages => messages.as_i64().unwrap_or_default(), what => job.text("queue"));
    Ok(Found::line(line).fact("task", answer["TaskHandle"].clone()).fact("messages", messages))
}
