//! What `doctor` is told of the Slack app: whether it is reached, and what its tokens may do.

use std::time::Duration;

use super::Slack;
use super::fault::Fault;
use super::scopes;
use crate::words::Words;

/// One who asks does not wait long; this is waited for twice at most.
const PATIENCE: Duration = Duration::from_secs(4);

impl Slack {
    pub(super) async fn look_for_troubles(&self, words: Words) -> Vec<String> {
        let late = |_| Err(Fault::Unavailable(words.get("slack.no_answer")));
        let own = tokio::time::timeout(PATIENCE, self.api.look_up()).await.unwrap_or_else(late);
        let mut troubles = match own {
            Ok(own) => scopes::missing(&own.scopes, words),
            Err(fault) => return vec![fault.told(words)],
        };
        if self.socket {
            let opened = tokio::time::timeout(PATIENCE, self.api.connect()).await;
            let failed = opened.unwrap_or_else(|_| Err(Fault::Unavailable(words.get("slack.no_answer")))).err();
            let say = |fault: Fault| words.say("slack.no_socket", minijinja::context! { why => fault.told(words) });
            troubles.extend(failed.map(say));
        }
        troubles
    }
}
