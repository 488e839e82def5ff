//! Putting an earlier state in the place of the current one: of the same lineage, under the next serial, so that
//! terraform itself refuses it once somebody else wrote. Values of a state stay unread.

use regex::Regex;
use serde::Deserialize;
use serde_json::{Value, json};

use super::cli::not_done;
use super::fields::Fields;
use super::saved;
use crate::domain::digest::sha256;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};
use crate::executor::attempt::Deadline;
use crate::executor::process::Ended;
use crate::executor::{StepContext, Tools};

#[derive(Deserialize)]
struct Head {
    serial: u64,
    lineage: String,
}

/// What would happen.
pub(super) struct Restore {
    text: String,
    pub(super) earlier: u64,
    pub(super) current: u64,
    pub(super) exact: Value,
}

impl Fields {
    /// Looks at both states.
    pub(super) async fn restore(&self, tools: &Tools, deadline: &Deadline) -> Result<Restore, Sentence> {
        let name = self.state_file.as_ref().map(|text| text.0.clone()).unwrap_or_default();
        let path = std::path::PathBuf::from(&name);
        if !path.is_absolute() {
            return Err(sentence!("action.terraform_state_file", name));
        }
        let bytes = saved::bytes(&path)?;
        let earlier: Head = serde_json::from_slice(&bytes)
            .map_err(|_| sentence!("action.terraform_state_file", name => name.as_str()))?;
        let current = self.current(tools, deadline).await?;
        if earlier.lineage != current.lineage {
            return Err(sentence!("action.terraform_lineage", name));
        }
        let exact = json!({"state_sha256": sha256(&bytes), "lineage": current.lineage,
            "restored_serial": earlier.serial, "current_serial": current.serial});
        let text =
            String::from_utf8(bytes).map_err(|_| sentence!("action.terraform_state_file", name => name.as_str()))?;
        let text = with_serial(&text, current.serial + 1)
            .ok_or_else(|| sentence!("action.terraform_state_file", name => name.as_str()))?;
        Ok(Restore { text, earlier: earlier.serial, current: current.serial, exact })
    }

    /// Pushes the earlier one, if both are still those of the plan.
    pub(super) async fn push(&self, cx: &StepContext, deadline: &Deadline) -> Result<Outcome, Sentence> {
        let restore = self.restore(&cx.tools, deadline).await?;
        let moved = restore.exact.as_object().into_iter().flatten().any(|(key, now)| cx.planned[key] != *now);
        if moved {
            return Err(sentence!("action.terraform_moved_on"));
        }
        let mut spec = self.spec(&cx.tools, ["state", "push", "-"].map(str::to_owned).to_vec())?;
        spec.stdin = restore.text.into_bytes();
        let called = self.call(cx, &spec, deadline).await?;
        let mut facts = json!({"previous_serial": restore.current, "restored_serial": restore.earlier});
        let report = |facts, line| Report { output: Some(called.output), ..Report::new(facts, line) };
        if called.ended != Ended::Exited(0) {
            return Ok(not_done(cx, called.ended, report(facts, Sentence::default())));
        }
        // Some backends count once more as they write.
        let serial = self.current(&cx.tools, deadline).await.map_or(restore.current + 1, |now| now.serial);
        facts["serial"] = serial.into();
        Ok(Outcome::Done(report(facts, sentence!("action.terraform_restored", earlier => restore.earlier, serial))))
    }

    async fn current(&self, tools: &Tools, deadline: &Deadline) -> Result<Head, Sentence> {
        let answer = self.ask(tools, &["state", "pull"], deadline).await?;
        if answer.ended != Ended::Exited(0) {
            return Err(sentence!("action.terraform_said", why => answer.why()));
        }
        serde_json::from_str(&answer.stdout).map_err(|_| sentence!("action.terraform_no_state"))
    }
}

/// The same state under another serial; nothing else of its text is touched.
fn with_serial(text: &str, serial: u64) -> Option<String> {
    let field = Regex::new(r#""serial"\s*:\s*[0-9]+"#).ok()?;
    let renewed = field.replace(text, format!(r#""serial": {serial}"#)).into_owned();
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    let (mut before, mut after) = (read(text)?, read(&renewed)?);
    (after["serial"] == serial).then_some(())?;
    for state in [&mut before, &mut after] {
        state["serial"] = Value::Null;
    }
    (before == after).then_some(renewed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_serial_is_touched() {
        let state = r#"{"version": 4, "serial": 7, "lineage": "x", "outputs": {"n": {"value": 12345678901234567890}}}"#;
        assert_eq!(with_serial(state, 10).unwrap(), state.replace("7,", "10,"));
        let hidden = r#"{"outputs": {"serial": 3}, "serial": 7, "lineage": "x"}"#;
        assert_eq!(with_serial(hidden, 10), None, "another field came first");
    }
}
