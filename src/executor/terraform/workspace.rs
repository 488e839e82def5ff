//! Making a workspace. Terraform selects what it makes, for everybody who works in the directory; what was selected before
//! is selected again.

use serde_json::json;

use super::cli::not_done;
use super::fields::Fields;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};
use crate::executor::StepContext;
use crate::executor::attempt::Deadline;
use crate::executor::process::Ended;
use crate::executor::value::Text;

impl Fields {
    pub(super) async fn run_workspace_new(&self, cx: &StepContext, deadline: &Deadline) -> Result<Outcome, Sentence> {
        let answer = self.ask(&cx.tools, &["workspace", "show"], deadline).await?;
        if answer.ended != Ended::Exited(0) {
            return Err(sentence!("action.terraform_said", why => answer.why()));
        }
        let (name, selected) = (self.workspace.as_ref().map_or("", |Text(name)| name), answer.stdout.trim());
        let called = self.call(cx, &self.spec(&cx.tools, self.argv())?, deadline).await?;
        let line = sentence!("action.terraform_workspace_made", name, selected);
        let report = Report { output: Some(called.output), ..Report::new(json!({"exit": 0}), line) };
        let Ended::Exited(0) = called.ended else {
            return Ok(match called.ended {
                Ended::Exited(code) => not_done(cx, called.ended, Report { facts: json!({"exit": code}), ..report }),
                ended => not_done(cx, ended, Report { facts: json!({}), ..report }),
            });
        };
        let back = self.ask(&cx.tools, &["workspace", "select", "-no-color", selected], deadline).await;
        let why = match back {
            Ok(answer) if answer.ended == Ended::Exited(0) => return Ok(Outcome::Done(report)),
            Ok(answer) => Sentence::Plain(answer.why()),
            Err(why) => why,
        };
        let line = sentence!("action.terraform_workspace_selected", name, selected, why);
        Ok(Outcome::Failed(Report { line, ..report }))
    }
}
