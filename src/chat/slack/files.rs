//! A file in a thread, in Slack's three steps: an address, the bytes, the share. Until the share nobody sees anything, so
//! that a try which broke off before it may be made again.

use serde::Deserialize;
use serde_json::{Value, json};

use super::api::Api;
use super::fault::Fault;

/// A text to be shared as a file.
pub(super) struct TextFile<'a> {
    /// Its name, with an ending.
    pub name: &'a str,
    /// What people see of it.
    pub title: &'a str,
    /// What is in it.
    pub content: &'a str,
}

#[derive(Deserialize)]
struct Address {
    upload_url: String,
    file_id: String,
}

impl Api {
    /// Shares a file in a thread.
    pub(super) async fn share(&self, channel: &str, thread: &str, file: &TextFile<'_>) -> Result<(), Fault> {
        let length = file.content.len().to_string();
        let arguments = [("filename", file.name), ("length", length.as_str())];
        let address: Address = self.get("files.getUploadURLExternal", &arguments).await?;
        self.upload(&address.upload_url, file.content.as_bytes().to_vec()).await?;
        let share = json!({
            "files": [{"id": address.file_id, "title": file.title}],
            "channel_id": channel,
            "thread_ts": thread,
        });
        self.post::<Value>("files.completeUploadExternal", &share).await.map(drop)
    }
}
