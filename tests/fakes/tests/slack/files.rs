//! Files in three steps.

use serde_json::{Value, json};
use sereno_fakes::http;
use sereno_fakes::slack::Slack;

use crate::app::{ok, post, refused, slack};

/// An upload that is not completed: its id, and how the bytes were taken.
async fn upload(slack: &Slack, name: &str, bytes: &[u8], length: usize) -> (Value, u16) {
    let answer = ok(slack, "files.getUploadURLExternal", json!({"filename": name, "length": length})).await;
    let url = answer["upload_url"].as_str().unwrap();
    let sent = http::send("POST", url, &[("content-type", "application/octet-stream")], bytes.to_vec()).await.unwrap();
    (answer["file_id"].clone(), sent.status)
}

#[tokio::test]
async fn a_file_lands_in_its_thread_with_its_bytes() {
    let slack = slack().await;
    let parent = post(&slack, json!({"channel": "C1", "text": "run 7"})).await;
    let (id, status) = upload(&slack, "output.txt", b"all of it", 9).await;
    assert_eq!(status, 200);
    let files = json!([{"id": id, "title": "Output of run 7"}]);
    let args = json!({"files": files, "channel_id": "C1", "thread_ts": parent, "initial_comment": "cut at 3000"});
    ok(&slack, "files.completeUploadExternal", args.clone()).await;
    let file = &slack.files()[0];
    assert_eq!((file.bytes.as_deref(), file.title.as_str()), (Some(b"all of it".as_slice()), "Output of run 7"));
    let reply = &slack.channel("C1").thread(&parent)[0];
    assert_eq!((reply.files.as_slice(), reply.text.as_str()), ([file.id.clone()].as_slice(), "cut at 3000"));
    assert_eq!(refused(&slack, "files.completeUploadExternal", args).await, "file_already_completed");
}

#[tokio::test]
async fn what_was_not_announced_is_not_taken() {
    let slack = slack().await;
    let (id, status) = upload(&slack, "short.txt", b"abc", 9).await;
    assert_eq!(status, 400);
    let args = json!({"files": [{"id": id}], "channel_id": "C1"});
    assert_eq!(refused(&slack, "files.completeUploadExternal", args).await, "file_upload_size_restricted");
    let none = json!({"files": [{"id": "F99"}], "channel_id": "C1"});
    assert_eq!(refused(&slack, "files.completeUploadExternal", none).await, "file_not_found");
    let empty = json!({"filename": "empty.txt", "length": 0});
    assert_eq!(refused(&slack, "files.getUploadURLExternal", empty).await, "invalid_arguments");
}
