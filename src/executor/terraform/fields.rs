//! What a `terraform` step may say: one verb, a directory, and the fields of that verb and no other. Knows nothing of
//! the program.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::text_enum;
use crate::executor::attempt::{Field, needed, only};
use crate::executor::value::{SecretText, Text};

text_enum! {
    /// What to do.
    Verb {
        /// Prepares the directory: backend, providers, modules.
        Init = "init",
        /// Lists workspaces.
        Workspaces = "workspaces",
        /// Makes a workspace.
        WorkspaceNew = "workspace_new",
        /// Checks the files.
        Validate = "validate",
        /// Tells which files are not formatted, or formats them.
        Fmt = "fmt",
        /// Works out what would change, and saves that.
        Plan = "plan",
        /// Does exactly what a saved plan says.
        Apply = "apply",
        /// Lists what the state has.
        StateList = "state_list",
        /// Shows one thing of the state.
        StateShow = "state_show",
        /// Puts an earlier state in the place of the current one.
        StateRestore = "state_restore",
        /// Reads outputs.
        Output = "output",
        /// Tells who holds the state's lock.
        Lock = "lock",
        /// Takes a lock away from whoever holds it.
        ForceUnlock = "force_unlock",
    }
}

/// Terraform in a directory. Facts, by verb: `plan`: `changes` (whether there are any), `create`, `change`, `delete`,
/// `replace`, `drift` (counts), `addresses` (by what becomes of them), `plan_file` and `sha256` for `apply`. `apply`:
/// the same counts, `destroys`. `validate`: `valid`, `errors`, `warnings`, `problems`. `fmt`: `formatted`, `files`.
/// `workspaces`: `workspaces`, `current`. `state_list`: `addresses`, `count`. `output`: `outputs` (sensitive ones left
/// out) and `sensitive` (their names). `lock`: `locked`, `lock_id`, `who`, `operation`, `created`, `age` (s).
/// `state_restore`: `previous_serial`, `serial`, `restored_serial`. All but facts of what is read: `exit`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    /// What to do.
    pub(super) r#do: Verb,
    /// The directory with the files, an absolute path.
    pub(super) dir: Text,
    /// The workspace to work in, without selecting it for others. `workspace_new`: the one to make.
    #[serde(default)]
    pub(super) workspace: Option<Text>,
    /// Environment, beside PATH and LANG: credentials above all. Nothing is inherited.
    #[serde(default)]
    pub(super) env: BTreeMap<String, SecretText>,
    /// The account of AWS that the keys in `env` must be of; in another one nothing is done. Not of `validate`, `fmt`.
    #[serde(default)]
    pub(super) account: Option<Text>,
    /// `plan`, `lock`: values of variables.
    #[serde(default)]
    pub(super) vars: BTreeMap<String, SecretText>,
    /// `plan`, `lock`: files of variables.
    #[serde(default)]
    pub(super) var_files: Vec<Text>,
    /// `plan`: only these addresses and what they need.
    #[serde(default)]
    pub(super) targets: Vec<Text>,
    /// `plan`: addresses to replace.
    #[serde(default)]
    pub(super) replace: Vec<Text>,
    /// `plan`: only how the world differs from the state.
    #[serde(default)]
    pub(super) drift: bool,
    /// `plan`: to destroy everything.
    #[serde(default)]
    pub(super) destroy: bool,
    /// `init`: settings of the backend.
    #[serde(default)]
    pub(super) backend: BTreeMap<String, Text>,
    /// `init`: forget how the backend was set before.
    #[serde(default)]
    pub(super) reconfigure: bool,
    /// `fmt`: format the files.
    #[serde(default)]
    pub(super) write: bool,
    /// `apply`: the fact `plan_file` of the step that planned.
    #[serde(default)]
    pub(super) plan_file: Option<Text>,
    /// `state_show`: what to show.
    #[serde(default)]
    pub(super) address: Option<Text>,
    /// `force_unlock`: the fact `lock_id` of the step that looked at the lock.
    #[serde(default)]
    pub(super) lock_id: Option<Text>,
    /// `state_restore`: a file with the earlier state, an absolute path.
    #[serde(default)]
    pub(super) state_file: Option<Text>,
}

impl Fields {
    /// What can be told without looking at this machine.
    pub(super) fn check(&self) -> Result<(), Sentence> {
        self.strays()?;
        let least = match self.r#do {
            Verb::Apply => Some((&self.plan_file, "plan_file")),
            Verb::StateShow => Some((&self.address, "address")),
            Verb::ForceUnlock => Some((&self.lock_id, "lock_id")),
            Verb::StateRestore => Some((&self.state_file, "state_file")),
            Verb::WorkspaceNew => Some((&self.workspace, "workspace")),
            _ => None,
        };
        if let Some((given, field)) = least {
            needed(given.as_ref(), field, &self.r#do)?;
        }
        if self.drift && self.destroy {
            return Err(sentence!("action.terraform_drift_or_destroy"));
        }
        let single = [&self.workspace, &self.address, &self.lock_id, &self.plan_file, &self.state_file];
        let texts = single.into_iter().flatten().chain(&self.var_files).chain(&self.targets).chain(&self.replace);
        if let Some(Text(text)) = texts.into_iter().find(|Text(text)| !harmless(text)) {
            return Err(sentence!("action.terraform_odd_text", text));
        }
        if let Some(Text(text)) = self.backend.values().find(|Text(text)| text.contains('\0')) {
            return Err(sentence!("action.terraform_odd_text", text));
        }
        let named = |name: &&String| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        };
        let names = self.env.keys().chain(self.vars.keys()).chain(self.backend.keys());
        match names.into_iter().find(|name| !named(name)) {
            Some(name) => Err(sentence!("action.shell_variable", name)),
            None => Ok(()),
        }
    }

    /// A field of another verb.
    fn strays(&self) -> Result<(), Sentence> {
        use Verb as V;
        let asking: Vec<V> = V::ALL.iter().copied().filter(|verb| !matches!(verb, V::Validate | V::Fmt)).collect();
        let fields: [Field<'_, Verb>; 13] = [
            (self.account.is_some(), "account", &asking),
            (!self.vars.is_empty(), "vars", &[V::Plan, V::Lock]),
            (!self.var_files.is_empty(), "var_files", &[V::Plan, V::Lock]),
            (!self.targets.is_empty(), "targets", &[V::Plan]),
            (!self.replace.is_empty(), "replace", &[V::Plan]),
            (self.drift, "drift", &[V::Plan]),
            (self.destroy, "destroy", &[V::Plan]),
            (!self.backend.is_empty() || self.reconfigure, "backend, reconfigure", &[V::Init]),
            (self.write, "write", &[V::Fmt]),
            (self.plan_file.is_some(), "plan_file", &[V::Apply]),
            (self.address.is_some(), "address", &[V::StateShow]),
            (self.lock_id.is_some(), "lock_id", &[V::ForceUnlock]),
            (self.state_file.is_some(), "state_file", &[V::StateRestore]),
        ];
        only(&self.r#do, &fields)
    }

    /// What it does at least. What an apply does is in its plan.
    pub(super) fn least(&self) -> Effect {
        match self.r#do {
            Verb::Fmt if self.write => Effect::Change,
            Verb::Init | Verb::WorkspaceNew | Verb::Apply => Effect::Change,
            Verb::ForceUnlock | Verb::StateRestore => Effect::Destroy,
            _ => Effect::Read,
        }
    }

    /// The directory, which is there.
    pub(super) fn directory(&self) -> Result<PathBuf, Sentence> {
        let Text(dir) = &self.dir;
        let path = PathBuf::from(dir);
        match path.is_absolute() && path.is_dir() {
            true => Ok(path),
            false => Err(sentence!("action.shell_no_dir", dir)),
        }
    }

    /// The arguments of the call, without the file that a plan is saved in.
    pub(super) fn argv(&self) -> Vec<String> {
        let mut argv: Vec<String> = match self.r#do {
            Verb::Init => vec!["init", "-input=false", "-no-color"],
            Verb::Workspaces => vec!["workspace", "list"],
            Verb::WorkspaceNew => vec!["workspace", "new", "-no-color"],
            Verb::Validate => vec!["validate", "-json", "-no-color"],
            Verb::Fmt if self.write => vec!["fmt", "-recursive", "-no-color"],
            Verb::Fmt => vec!["fmt", "-check", "-recursive", "-no-color"],
            Verb::Plan => vec!["plan", "-input=false", "-no-color", "-detailed-exitcode"],
            Verb::Apply => vec!["apply", "-input=false", "-no-color"],
            Verb::StateList => vec!["state", "list"],
            Verb::StateShow => vec!["state", "show", "-no-color"],
            Verb::StateRestore => vec!["state", "push"],
            Verb::Output => vec!["output", "-json", "-no-color"],
            Verb::Lock => return self.lock_argv(),
            Verb::ForceUnlock => vec!["force-unlock", "-force"],
        }
        .into_iter()
        .map(str::to_owned)
        .collect();
        let flag = |on: bool, flag: &str| on.then(|| flag.to_owned());
        argv.extend(flag(self.drift, "-refresh-only"));
        argv.extend(flag(self.destroy, "-destroy"));
        argv.extend(flag(self.reconfigure, "-reconfigure"));
        argv.extend(self.backend.iter().map(|(name, Text(text))| format!("-backend-config={name}={text}")));
        argv.extend(self.variable_files());
        argv.extend(self.targets.iter().map(|Text(address)| format!("-target={address}")));
        argv.extend(self.replace.iter().map(|Text(address)| format!("-replace={address}")));
        match self.r#do {
            Verb::WorkspaceNew => argv.extend(self.workspace.iter().map(|Text(name)| name.clone())),
            Verb::StateShow => argv.extend(self.address.iter().map(|Text(address)| address.clone())),
            Verb::ForceUnlock => argv.extend(self.lock_id.iter().map(|Text(id)| id.clone())),
            _ => {}
        }
        argv
    }
}

impl Fields {
    /// The question who has the lock: a plan that reads no resource takes it if it is free, and says who has it if not.
    pub(super) fn lock_argv(&self) -> Vec<String> {
        let plan = ["plan", "-input=false", "-no-color", "-refresh=false", "-lock-timeout=0s"];
        plan.into_iter().map(str::to_owned).chain(self.variable_files()).collect()
    }

    fn variable_files(&self) -> impl Iterator<Item = String> + '_ {
        self.var_files.iter().map(|Text(file)| format!("-var-file={file}"))
    }
}

/// Whether a text can stand as an argument and is no option.
fn harmless(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('-') && !text.contains(['\0', '\n'])
}
