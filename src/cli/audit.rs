//! `sereno audit`: verify and export, while a server runs or not.

use std::process::ExitCode;

use minijinja::context;

use super::Failure;
use super::args::{AuditCommand, AuditOptions, shell_words};
use super::failure::FAILED;
use super::serve::load;
use crate::audit::{self, AuditError};
use crate::store::Store;

/// Verifies or exports.
pub async fn audit(options: AuditOptions) -> Result<ExitCode, Failure> {
    let words = shell_words();
    match options.command {
        AuditCommand::Verify { anchor, mut head, config } => {
            let config = load(config.config.as_deref())?;
            let store = Store::open(config.store_url.reveal())?;
            let path = anchor.or_else(|| config.anchor.clone().filter(|path| path.exists()));
            head.extend(path.map(|path| audit::read_anchor(&path)).transpose()?);
            match audit::verify(&store, &head).await {
                Ok(head) => {
                    println!("{}", words.say("cli.audit_whole", context! { count => head.seq, hash => head.hash }));
                    Ok(ExitCode::SUCCESS)
                }
                Err(AuditError::Store(error)) => Err(error.into()),
                Err(AuditError::Fault(fault)) => {
                    Err(Failure::new(FAILED, fault.to_string(), words.get("cli.hint_audit")))
                }
            }
        }
        AuditCommand::Export { config } => {
            let config = load(config.config.as_deref())?;
            let store = Store::open(config.store_url.reveal())?;
            audit::export(&store, &mut std::io::stdout().lock()).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
