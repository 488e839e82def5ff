//! The demo's folder: configuration, runbooks, two releases of a shop, all in a temporary place that goes when it ends.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::clock::Clock;
use crate::domain::settings::Language;
use crate::secret::Secret;

/// The files, by their path in the folder.
const FILES: &[(&str, &str)] = &[
    ("sereno.yaml", include_str!("world/sereno.yaml")),
    ("commands/shop/health.yaml", include_str!("world/commands/shop/health.yaml")),
    ("commands/shop/rollback.yaml", include_str!("world/commands/shop/rollback.yaml")),
    ("releases/v1/health.json", "{\"status\":\"ok\",\"release\":\"v1\"}\n"),
    ("releases/v2/health.json", "{\"status\":\"error\",\"release\":\"v2\",\"why\":\"cannot reach the basket\"}\n"),
];

/// The demo's folder and secrets.
pub struct World {
    /// The folder.
    pub dir: PathBuf,
    /// Its configuration.
    pub config: PathBuf,
    /// Where Sereno listens, as a URL.
    pub server: String,
    /// Ana's console token.
    pub ana: Secret,
    /// Leo's.
    pub leo: Secret,
    /// The alert hook's.
    pub secret: Secret,
}

impl World {
    /// Writes everything.
    ///
    /// # Errors
    /// When the temporary folder cannot be written.
    pub fn build(listen: &str, shop: &str, language: Language) -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("sereno-demo-{}", crate::id::ReplicaId::new()));
        let world = Self {
            config: dir.join("sereno.yaml"),
            server: format!("http://{listen}"),
            ana: Secret::generate(),
            leo: Secret::generate(),
            secret: Secret::generate(),
            dir,
        };
        // Ana's week has just begun, whenever the demo is played.
        let yesterday = Clock::System.now().before(Duration::from_secs(24 * 3600)).to_jiff();
        let values = [
            ("${yesterday}", yesterday.strftime("%Y-%m-%d").to_string()),
            ("${listen}", listen.to_owned()),
            ("${dir}", world.dir.display().to_string()),
            ("${shop}", format!("http://{shop}")),
            ("${language}", language.to_string()),
            ("${ana}", world.ana.reveal().to_owned()),
            ("${leo}", world.leo.reveal().to_owned()),
            ("${secret}", world.secret.reveal().to_owned()),
        ];
        for (path, text) in FILES {
            let path = world.dir.join(path);
            let folder = path.parent().context("every file has a folder")?;
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            let text = values.iter().fold((*text).to_owned(), |text, (name, value)| text.replace(name, value));
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        world.release("v1")?;
        Ok(world)
    }

    /// Puts a release of the shop in place.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn release(&self, name: &str) -> Result<()> {
        let (beside, current) = (self.dir.join("current.new"), self.dir.join("current"));
        std::os::unix::fs::symlink(self.dir.join("releases").join(name), &beside)?;
        Ok(std::fs::rename(beside, current)?)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
