//! `aws`: tables of DynamoDB. Items are plain JSON here, without types.

use serde_json::{Map, Value, json};

use super::fields::{Kind, may, must};
use super::item::{plain_all, typed, typed_all};
use super::{Fault, Found, Job, Operation, text};
use crate::domain::runbook::Effect;
use crate::domain::sentence::sentence;
use crate::executor::aws::wire::Wire;

const MISSING: &[&str] = &["ResourceNotFoundException"];
/// Most pages that are counted; each is up to a megabyte.
const PAGES: usize = 2000;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "dynamodb.describe_table",
        about: "A table. Facts: exists, status, items and bytes (as of up to six hours ago), key, sort_key, arn.",
        effect: Effect::Read,
        fields: &[must("table", Kind::Text, "The table's name.")],
        look: None,
        run: |job| Box::pin(describe(job)),
    },
    Operation {
        name: "dynamodb.create_table",
        about: "Makes a table that is paid by request. Facts: status, arn.",
        effect: Effect::Change,
        fields: &[
            must("table", Kind::Text, "The table's name."),
            must("key", Kind::Text, "The name of its key, which holds text."),
            may("sort_key", Kind::Text, "The name of its sort key, which holds text."),
        ],
        look: None,
        run: |job| Box::pin(create(job)),
    },
    Operation {
        name: "dynamodb.delete_table",
        about: "Removes a table and everything in it. Facts: status.",
        effect: Effect::Destroy,
        fields: &[must("table", Kind::Text, "The table's name.")],
        look: Some(|job| Box::pin(find_table(job))),
        run: |job| Box::pin(delete_table(job)),
    },
    Operation {
        name: "dynamodb.get_item",
        about: "One item by its key. Facts: exists, item.",
        effect: Effect::Read,
        fields: &[must("table", Kind::Text, "The table's name."), must("key", Kind::Map, "The whole key.")],
        look: None,
        run: |job| Box::pin(get_item(job)),
    },
    Operation {
        name: "dynamodb.query",
        about: "Items by key. Facts: items, count, truncated.",
        effect: Effect::Read,
        fields: &[
            must("table", Kind::Text, "The table's name."),
            must("key", Kind::Map, "Values of the key, or of the index's key."),
            may("index", Kind::Text, "An index's name."),
            may("limit", Kind::Number(1, 100), "Most items; 10 without."),
            may("newest_first", Kind::Flag, "Whether from the end of the sort key."),
        ],
        look: None,
        run: |job| Box::pin(query(job)),
    },
    Operation {
        name: "dynamodb.scan",
        about: "Any items of a table, to see what they look like. Facts: items, count, truncated.",
        effect: Effect::Read,
        fields: &[
            must("table", Kind::Text, "The table's name."),
            may("limit", Kind::Number(1, 100), "Most items; 10 without."),
        ],
        look: None,
        run: |job| Box::pin(scan(job)),
    },
    Operation {
        name: "dynamodb.count",
        about: "Counts all items by reading the whole table, which is paid for. Facts: count, truncated.",
        effect: Effect::Read,
        fields: &[must("table", Kind::Text, "The table's name.")],
        look: None,
        run: |job| Box::pin(count(job)),
    },
    Operation {
        name: "dynamodb.delete_item",
        about: "Deletes one item, which must be there and still be what the plan saw: a state lock, for instance. \
                Facts: item (what it was).",
        effect: Effect::Destroy,
        fields: &[must("table", Kind::Text, "The table's name."), must("key", Kind::Map, "The whole key.")],
        look: Some(|job| Box::pin(find_item(job))),
        run: |job| Box::pin(delete_item(job)),
    },
];

fn wire(operation: &str, body: &Value) -> Wire {
    Wire::json("dynamodb", "1.0", &format!("DynamoDB_20120810.{operation}"), body)
}

async fn table(job: &Job<'_>) -> Result<Option<Value>, Fault> {
    match job.read(wire("DescribeTable", &json!({ "TableName": job.text("table") }))).await {
        Ok(answer) => Ok(Some(answer.json()?["Table"].take())),
        Err(fault) if fault.is(MISSING) => Ok(None),
        Err(fault) => Err(fault),
    }
}

async fn describe(job: &Job<'_>) -> Result<Found, Fault> {
    let name = job.text("table");
    let Some(table) = table(job).await? else {
        return Ok(Found::line(sentence!("aws.none", what => name)).fact("exists", false));
    };
    let key = |kind: &str| {
        let keys = table["KeySchema"].as_array().into_iter().flatten();
        keys.clone().find(|key| key["KeyType"] == kind).map_or(Value::Null, |key| key["AttributeName"].clone())
    };
    Ok(Found::line(sentence!("aws.is", what => name, state => text(&table, "TableStatus")))
        .fact("exists", true)
        .fact("status", table["TableStatus"].clone())
        .fact("items", table["ItemCount"].clone())
        .fact("bytes", table["TableSizeBytes"].clone())
        .fact("key", key("HASH"))
        .fact("sort_key", key("RANGE"))
        .fact("arn", table["TableArn"].clone()))
}

async fn find_table(job: &Job<'_>) -> Result<Found, Fault> {
    let found = table(job).await?.ok_or_else(|| Fault::Failed(sentence!("aws.none", what => job.text("table"))))?;
    Ok(Found::default().fact("arn", found["TableArn"].clone()))
}

async fn create(job: &Job<'_>) -> Result<Found, Fault> {
    let keys = [("key", "HASH"), ("sort_key", "RANGE")];
    let keys: Vec<(&str, &str)> =
        keys.into_iter().filter_map(|(field, kind)| Some((job.given.text(field)?, kind))).collect();
    let schema: Vec<Value> =
        keys.iter().map(|(name, kind)| json!({ "AttributeName": name, "KeyType": kind })).collect();
    let types: Vec<Value> =
        keys.iter().map(|(name, _)| json!({ "AttributeName": name, "AttributeType": "S" })).collect();
    let body = json!({
        "TableName": job.text("table"),
        "KeySchema": schema,
        "AttributeDefinitions": types,
        "BillingMode": "PAY_PER_REQUEST",
    });
    let answer = job.change(wire("CreateTable", &body)).await?.json()?;
    let table = &answer["TableDescription"];
    Ok(Found::line(sentence!("aws.created", what => job.text("table")))
        .fact("status", table["TableStatus"].clone())
        .fact("arn", table["TableArn"].clone()))
}

async fn delete_table(job: &Job<'_>) -> Result<Found, Fault> {
    let answer = job.change(wire("DeleteTable", &json!({ "TableName": job.text("table") }))).await?.json()?;
    let status = answer["TableDescription"]["TableStatus"].clone();
    Ok(Found::line(sentence!("aws.deleted", what => job.text("table"))).fact("status", status))
}

fn key(job: &Job<'_>) -> Map<String, Value> {
    job.given.value("key").and_then(Value::as_object).cloned().unwrap_or_default()
}

async fn item(job: &Job<'_>) -> Result<Option<Value>, Fault> {
    let body = json!({ "TableName": job.text("table"), "Key": typed_all(&key(job)), "ConsistentRead": true });
    let answer = job.read(wire("GetItem", &body)).await?.json()?;
    Ok(answer.get("Item").map(plain_all))
}

async fn get_item(job: &Job<'_>) -> Result<Found, Fault> {
    let item = item(job).await?;
    let what = job.given.value("key").map(Value::to_string).unwrap_or_default();
    let line = match item {
        Some(_) => sentence!("aws.there", what),
        None => sentence!("aws.none", what),
    };
    Ok(Found::line(line).fact("exists", item.is_some()).fact("item", item))
}

/// What is about to be deleted. Deleting what is not there would be answered as a success.
async fn find_item(job: &Job<'_>) -> Result<Found, Fault> {
    let found = item(job).await?;
    let what = job.given.value("key").map(Value::to_string).unwrap_or_default();
    let found = found.ok_or_else(|| Fault::Failed(sentence!("aws.no_item", what, table => job.text("table"))))?;
    Ok(Found::default().fact("item", found))
}

async fn delete_item(job: &Job<'_>) -> Result<Found, Fault> {
    let key = key(job);
    let names: Map<String, Value> = key.keys().enumerate().map(|(at, name)| (format!("#k{at}"), json!(name))).collect();
    let there: Vec<String> = names.keys().map(|name| format!("attribute_exists({name})")).collect();
    let body = json!({
        "TableName": job.text("table"),
        "Key": typed_all(&key),
        "ConditionExpression": there.join(" AND "),
        "ExpressionAttributeNames": names,
        "ReturnValues": "ALL_OLD",
    });
    let answer = job.change(wire("DeleteItem", &body)).await?.json()?;
    let what = Value::Object(key).to_string();
    match answer.get("Attributes") {
        Some(old) => Ok(Found::line(sentence!("aws.deleted", what)).fact("item", plain_all(old))),
        None => Err(Fault::Failed(sentence!("aws.no_item", what, table => job.text("table")))),
    }
}

fn items(answer: &Value) -> Found {
    let items: Vec<Value> = answer["Items"].as_array().into_iter().flatten().map(plain_all).collect();
    let mut columns: Vec<&str> =
        items.iter().filter_map(Value::as_object).flat_map(|item| item.keys()).map(String::as_str).collect();
    columns.sort_unstable();
    columns.dedup();
    let columns: Vec<String> = columns.into_iter().take(8).map(str::to_owned).collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    Found::default().list("items", &columns, items).fact("truncated", answer.get("LastEvaluatedKey").is_some())
}

async fn query(job: &Job<'_>) -> Result<Found, Fault> {
    let key = key(job);
    let parts: Vec<String> = (0..key.len()).map(|at| format!("#k{at} = :v{at}")).collect();
    let names: Map<String, Value> = key.keys().enumerate().map(|(at, name)| (format!("#k{at}"), json!(name))).collect();
    let values: Map<String, Value> =
        key.values().enumerate().map(|(at, value)| (format!(":v{at}"), typed(value))).collect();
    let mut body = json!({
        "TableName": job.text("table"),
        "KeyConditionExpression": parts.join(" AND "),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
        "Limit": job.given.number("limit").unwrap_or(10),
        "ScanIndexForward": !job.given.flag("newest_first"),
    });
    if let Some(index) = job.given.text("index") {
        body["IndexName"] = index.into();
    }
    Ok(items(&job.read(wire("Query", &body)).await?.json()?))
}

async fn scan(job: &Job<'_>) -> Result<Found, Fault> {
    let body = json!({ "TableName": job.text("table"), "Limit": job.given.number("limit").unwrap_or(10) });
    Ok(items(&job.read(wire("Scan", &body)).await?.json()?))
}

async fn count(job: &Job<'_>) -> Result<Found, Fault> {
    let mut body = json!({ "TableName": job.text("table"), "Select": "COUNT" });
    let mut total = 0;
    for _ in 0..PAGES {
        let answer = job.read(wire("Scan", &body)).await?.json()?;
        total += answer["Count"].as_u64().unwrap_or_default();
        match answer.get("LastEvaluatedKey") {
            Some(next) => body["ExclusiveStartKey"] = next.clone(),
            None => {
                return Ok(Found::line(sentence!("aws.counted", count => total))
                    .fact("count", total)
                    .fact("truncated", false));
            }
        }
    }
    Ok(Found::line(sentence!("aws.counted_so_far", count => total)).fact("count", total).fact("truncated", true))
}
