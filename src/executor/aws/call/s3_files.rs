//! `aws`: objects of S3. What is in them is never shown; files of this machine go in and come out byte by byte.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::fields::{Kind, may, must};
use super::{Fault, Found, Job, Operation, get, moment, number, text};
use crate::domain::digest::hex;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::aws::wire::{Answer, LocalFile, Wire, encoded};
use crate::executor::aws::xml;

const MISSING: &[&str] = &["NotFound", "NoSuchKey", "NoSuchVersion"];
const BUCKET: super::Field = must("bucket", Kind::Text, "The bucket's name.");
const KEY: super::Field = must("key", Kind::Text, "The object's key.");

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "s3.list_objects",
        about: "Objects by key. Facts: objects (key, bytes, modified, age), keys, count, bytes, newest_age (seconds), \
                truncated.",
        effect: Effect::Read,
        fields: &[
            BUCKET,
            may("prefix", Kind::Text, "What their keys begin with."),
            may("limit", Kind::Number(1, 1000), "Most objects; 1000 without."),
        ],
        look: None,
        run: |job| Box::pin(list(job)),
    },
    Operation {
        name: "s3.list_object_versions",
        about: "The versions of one object, newest first. Facts: versions (their ids), current, objects (version, bytes, \
                modified, age, latest), count, truncated.",
        effect: Effect::Read,
        fields: &[BUCKET, KEY, may("limit", Kind::Number(1, 1000), "Most versions; 100 without.")],
        look: None,
        run: |job| Box::pin(versions(job)),
    },
    Operation {
        name: "s3.head_object",
        about: "Whether an object is there. Facts: exists, bytes, etag, version, age (seconds), sha256 (if it was put \
                by `s3.put_object`).",
        effect: Effect::Read,
        fields: &[BUCKET, KEY, may("version", Kind::Text, "A version's id; the current one without.")],
        look: None,
        run: |job| Box::pin(head(job)),
    },
    Operation {
        name: "s3.put_object",
        about: "Puts a file of this machine into a bucket, as it was when it was planned. Facts: bytes, sha256, etag, \
                version, before (the version that was current, if the bucket keeps versions).",
        effect: Effect::Change,
        fields: &[BUCKET, KEY, must("file", Kind::Text, "The file's absolute path.")],
        look: Some(|job| Box::pin(file(job))),
        run: |job| Box::pin(put(job)),
    },
    Operation {
        name: "s3.get_object",
        about: "Copies an object into a new file of this machine. Facts: bytes, sha256, version.",
        effect: Effect::Change,
        fields: &[
            BUCKET,
            KEY,
            must("file", Kind::Text, "The file's absolute path; it must not be there yet."),
            may("version", Kind::Text, "A version's id; the current one without."),
        ],
        look: None,
        run: |job| Box::pin(fetch(job)),
    },
    Operation {
        name: "s3.copy_version",
        about: "Makes an older version of an object the current one, by a copy. Facts: before (the version that was \
                current), after.",
        effect: Effect::Change,
        fields: &[BUCKET, KEY, must("version", Kind::Text, "The older version's id.")],
        look: Some(|job| Box::pin(current(job))),
        run: |job| Box::pin(copy(job)),
    },
];

fn object(job: &Job<'_>, method: Method) -> Wire {
    let wire = Wire::rest("s3", method, &[job.text("bucket")]).key(job.text("key"));
    match job.given.text("version") {
        Some(version) => wire.with("versionId", version),
        None => wire,
    }
}

async fn list(job: &Job<'_>) -> Result<Found, Fault> {
    let limit = job.given.number("limit").unwrap_or(1000).to_string();
    let wire = get("s3", &[job.text("bucket")]).with("list-type", "2").with("max-keys", &limit);
    let answer = job.read(wire.with("prefix", job.text("prefix"))).await?.xml()?;
    let objects: Vec<Value> = xml::list(&answer, &["Contents"])
        .into_iter()
        .map(|it| {
            let age = job.age(moment(&it["LastModified"]));
            json!({ "key": it["Key"], "bytes": number(&it["Size"]), "modified": it["LastModified"], "age": age })
        })
        .collect();
    let keys: Vec<Value> = objects.iter().map(|object| object["key"].clone()).collect();
    let bytes: i64 = objects.iter().filter_map(|object| object["bytes"].as_i64()).sum();
    let newest = objects.iter().filter_map(|object| object["age"].as_i64()).min();
    Ok(Found::default()
        .list("objects", &["key", "bytes", "modified"], objects)
        .fact("keys", keys)
        .fact("bytes", bytes)
        .fact("newest_age", newest)
        .fact("truncated", answer["IsTruncated"] == "true"))
}

async fn versions(job: &Job<'_>) -> Result<Found, Fault> {
    let (key, limit) = (job.text("key"), job.given.number("limit").unwrap_or(100).to_string());
    let wire = get("s3", &[job.text("bucket")]).with("versions", "").with("max-keys", &limit);
    let answer = job.read(wire.with("prefix", key)).await?.xml()?;
    // The prefix also finds longer keys; those come later.
    let own: Vec<&Value> = xml::list(&answer, &["Version"]).into_iter().filter(|it| it["Key"] == key).collect();
    let current = own.iter().find(|it| it["IsLatest"] == "true").map(|it| it["VersionId"].clone());
    let ids: Vec<Value> = own.iter().map(|it| it["VersionId"].clone()).collect();
    let objects = own.iter().map(|it| {
        json!({
            "version": it["VersionId"],
            "bytes": number(&it["Size"]),
            "modified": it["LastModified"],
            "age": job.age(moment(&it["LastModified"])),
            "latest": it["IsLatest"] == "true",
        })
    });
    Ok(Found::default()
        .list("objects", &["version", "bytes", "modified", "latest"], objects.collect())
        .fact("versions", ids)
        .fact("current", current)
        .fact("truncated", answer["IsTruncated"] == "true"))
}

/// The object's head; none if it is not there.
async fn head_of(job: &Job<'_>, wire: Wire) -> Result<Option<Answer>, Fault> {
    match job.read(wire).await {
        Ok(answer) => Ok(Some(answer)),
        Err(fault) if fault.is(MISSING) => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn version(answer: &Answer) -> Value {
    // Where versions are not kept, S3 says nothing or "null".
    answer.header("x-amz-version-id").filter(|version| version != "null").map_or(Value::Null, Value::from)
}

async fn head(job: &Job<'_>) -> Result<Found, Fault> {
    let key = job.text("key");
    let Some(answer) = head_of(job, object(job, Method::HEAD)).await? else {
        return Ok(Found::line(sentence!("aws.none", what => key)).fact("exists", false));
    };
    let header = |name: &str| answer.header(name).map_or(Value::Null, Value::from);
    Ok(Found::line(sentence!("aws.there", what => key))
        .fact("exists", true)
        .fact("bytes", number(&header("content-length")))
        .fact("etag", answer.header("etag").map(|etag| etag.trim_matches('"').to_owned()))
        .fact("version", version(&answer))
        .fact("age", job.age(moment(&header("last-modified"))))
        .fact("sha256", header("x-amz-meta-sha256")))
}

/// The version that is current now. The field `version` does not count here.
async fn current_version(job: &Job<'_>) -> Result<Value, Fault> {
    let wire = Wire::rest("s3", Method::HEAD, &[job.text("bucket")]).key(job.text("key"));
    Ok(head_of(job, wire).await?.as_ref().map_or(Value::Null, version))
}

async fn current(job: &Job<'_>) -> Result<Found, Fault> {
    Ok(Found::default().fact("before", current_version(job).await?))
}

/// The file as it is now, and what it would replace.
async fn file(job: &Job<'_>) -> Result<Found, Fault> {
    let file = LocalFile::look(job.text("file")).await.map_err(Fault::Failed)?;
    let found = Found::default().fact("bytes", file.bytes).fact("sha256", file.sha256);
    Ok(found.fact("before", current_version(job).await?))
}

async fn put(job: &Job<'_>) -> Result<Found, Fault> {
    let file = LocalFile::look(job.text("file")).await.map_err(Fault::Failed)?;
    let (bytes, sha256) = (file.bytes, file.sha256.clone());
    let wire = object(job, Method::PUT).header("x-amz-meta-sha256", &sha256).file(file);
    let answer = job.change(wire).await?;
    let line = sentence!("aws.put", what => job.text("key"), bytes => i64::try_from(bytes).unwrap_or(i64::MAX));
    Ok(Found::line(line)
        .fact("bytes", bytes)
        .fact("sha256", sha256)
        .fact("etag", answer.header("etag").map(|etag| etag.trim_matches('"').to_owned()))
        .fact("version", version(&answer)))
}

async fn copy(job: &Job<'_>) -> Result<Found, Fault> {
    let (bucket, key) = (job.text("bucket"), job.text("key"));
    let source = format!("/{}/{}?versionId={}", encoded(bucket, true), encoded(key, false), job.text("version"));
    let wire = Wire::rest("s3", Method::PUT, &[bucket]).key(key).header("x-amz-copy-source", &source);
    let answer = job.change(wire).await?;
    // A copy that breaks half-way is answered with success and an error inside.
    let said = answer.xml()?;
    if said["ETag"].is_null() {
        return Err(Fault::Failed(sentence!("aws.refused", why => text(&said, "Message"))));
    }
    Ok(Found::line(sentence!("aws.copied", what => key, version => job.text("version")))
        .fact("after", version(&answer)))
}

async fn fetch(job: &Job<'_>) -> Result<Found, Fault> {
    let path = job.text("file");
    if !path.starts_with('/') {
        return Err(Fault::Failed(sentence!("aws.no_absolute", path)));
    }
    let unwritable = |error: std::io::Error| Fault::Failed(sentence!("aws.no_file", path, why => error.to_string()));
    let mut response = job.caller.send(&object(job, Method::GET)).await?;
    let status = response.status().as_u16();
    if !response.status().is_success() {
        let (headers, bytes) = (response.headers().clone(), Vec::new());
        let answer = Answer { status, headers, bytes }.checked();
        return answer.and(Err(Fault::Failed(sentence!("aws.status", status => i64::from(status)))));
    }
    let version = response.headers().get("x-amz-version-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    // Whoever finds the file finds all of it, also when this is stopped half-way.
    let part = format!("{path}.part");
    let taken = || Fault::Failed(sentence!("aws.file_there", path));
    if tokio::fs::try_exists(path).await.map_err(unwritable)? {
        return Err(taken());
    }
    // For us alone: it may be a state with passwords in it.
    let mut options = tokio::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&part).await.map_err(unwritable)?;
    let part = Part(part);
    let (mut digest, mut bytes) = (ring::digest::Context::new(&ring::digest::SHA256), 0u64);
    let broken = |error| Fault::Failed(crate::executor::http::client::why(error, "aws.broken"));
    let copied: Result<(), Fault> = async {
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            digest.update(&chunk);
            bytes += chunk.len() as u64;
            file.write_all(&chunk).await.map_err(unwritable)?;
        }
        file.sync_all().await.map_err(unwritable)?;
        // Unlike a rename, a link takes nobody's place.
        tokio::fs::hard_link(&part.0, path).await.map_err(unwritable)
    }
    .await;
    drop(part);
    copied?;
    let line: Sentence =
        sentence!("aws.fetched", what => job.text("key"), bytes => i64::try_from(bytes).unwrap_or(i64::MAX));
    Ok(Found::line(line).fact("bytes", bytes).fact("sha256", hex(digest.finish().as_ref())).fact("version", version))
}

/// A file that is not whole yet; gone with this, also when its download is stopped half-way.
struct Part(String);

impl Drop for Part {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
