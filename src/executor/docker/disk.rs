//! `docker` df: how much room the engine's things take, and which of them nothing uses. Changes nothing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Attempt;
use super::engine::{Engine, Fault};
use super::job::Kind;
use crate::domain::figure::Grid;
use crate::domain::sentence::{Sentence, sentence};

/// Something that the engine keeps.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Thing {
    pub(super) kind: Kind,
    pub(super) id: String,
    /// What people call it; an image may have several names.
    pub(super) names: Vec<String>,
    pub(super) bytes: i64,
    /// Whether nothing uses it.
    pub(super) unused: bool,
    labels: BTreeMap<String, String>,
}

impl Thing {
    /// Its name, or as much of its id as people write.
    pub(super) fn name(&self) -> String {
        let short = || self.id.trim_start_matches("sha256:").chars().take(12).collect();
        self.names.first().cloned().unwrap_or_else(short)
    }

    /// Whether it carries a label `key` or `key=value`.
    pub(super) fn has(&self, label: &str) -> bool {
        match label.split_once('=') {
            Some((key, value)) => self.labels.get(key).is_some_and(|found| found == value),
            None => self.labels.contains_key(label),
        }
    }
}

/// All that takes room. What only containers use that `gone` tells to be gone counts as unused.
pub(super) fn things(disk: &Value, gone: &dyn Fn(&Thing) -> bool) -> Vec<Thing> {
    let of = |key: &str| disk[key].as_array().cloned().unwrap_or_default();
    let (mut found, mut images, mut volumes) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for one in of("Containers") {
        let names = strings(&one["Names"]).iter().map(|name| name.trim_start_matches('/').to_owned()).collect();
        let unused = matches!(one["State"].as_str(), Some("exited" | "created" | "dead"));
        let bytes = one["SizeRw"].as_i64().unwrap_or_default();
        let container = thing(Kind::Containers, &one["Id"], names, bytes, unused, &one);
        if !(unused && gone(&container)) {
            images.insert(one["ImageID"].as_str().unwrap_or_default().to_owned());
            let mounts = one["Mounts"].as_array().cloned().unwrap_or_default();
            volumes.extend(mounts.iter().filter_map(|mount| mount["Name"].as_str().map(str::to_owned)));
        }
        found.push(container);
    }
    for one in of("Images") {
        let names = strings(&one["RepoTags"]).into_iter().filter(|name| name != "<none>:<none>").collect();
        let unused = !images.contains(one["Id"].as_str().unwrap_or_default());
        let shared = one["SharedSize"].as_i64().unwrap_or_default().max(0);
        let bytes = one["Size"].as_i64().unwrap_or_default() - shared;
        found.push(thing(Kind::Images, &one["Id"], names, bytes, unused, &one));
    }
    for one in of("Volumes") {
        let name = one["Name"].as_str().unwrap_or_default().to_owned();
        let unused = !volumes.contains(&name);
        let bytes = one["UsageData"]["Size"].as_i64().unwrap_or_default().max(0);
        found.push(thing(Kind::Volumes, &one["Name"], vec![name], bytes, unused, &one));
    }
    for one in of("BuildCache") {
        let names = one["Description"].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let bytes = one["Size"].as_i64().unwrap_or_default();
        let unused = one["InUse"].as_bool() == Some(false);
        found.push(thing(Kind::BuildCache, &one["ID"], names.into_iter().collect(), bytes, unused, &one));
    }
    let below = Below::of(disk);
    found.sort_by_cached_key(|one| (one.kind, Reverse(below.count(&one.id)), one.name(), one.id.clone()));
    found
}

/// Which pieces of build cache stand on which. One only goes when nothing stands on it any more, so those that stand
/// on most come first.
struct Below(BTreeMap<String, Vec<String>>);

impl Below {
    fn of(disk: &Value) -> Self {
        let pieces = disk["BuildCache"].as_array().into_iter().flatten();
        // One parent in older engines, several in newer ones.
        let parents = |one: &Value| match one["Parent"].as_str() {
            Some(parent) if !parent.is_empty() => vec![parent.to_owned()],
            _ => strings(&one["Parents"]),
        };
        Self(pieces.map(|one| (one["ID"].as_str().unwrap_or_default().to_owned(), parents(one))).collect())
    }

    fn count(&self, id: &str) -> usize {
        let (mut seen, mut next) = (BTreeSet::new(), vec![id]);
        while let Some(id) = next.pop() {
            let parents = self.0.get(id).into_iter().flatten().map(String::as_str);
            next.extend(parents.filter(|parent| seen.insert(*parent)));
        }
        seen.len()
    }
}

fn thing(kind: Kind, id: &Value, names: Vec<String>, bytes: i64, unused: bool, from: &Value) -> Thing {
    let labels = from["Labels"].as_object().cloned().unwrap_or_default();
    let labels = labels.into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_owned())));
    Thing { kind, id: id.as_str().unwrap_or_default().to_owned(), names, bytes, unused, labels: labels.collect() }
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

/// Facts of the room that is taken.
pub(super) async fn df(engine: &Engine, attempt: &mut Attempt<'_>) -> Result<Sentence, Fault> {
    let disk = engine.disk().await?;
    let found = things(&disk, &|_| false);
    let (mut rows, mut all, mut free) = (Vec::new(), 0, 0);
    for kind in [Kind::Images, Kind::Containers, Kind::Volumes, Kind::BuildCache] {
        let of: Vec<&Thing> = found.iter().filter(|thing| thing.kind == kind).collect();
        let unused: Vec<&&Thing> = of.iter().filter(|thing| thing.unused).collect();
        let bytes = match (kind, disk["LayersSize"].as_i64()) {
            // Layers that images share are counted once.
            (Kind::Images, Some(layers)) => layers,
            _ => of.iter().map(|thing| thing.bytes).sum::<i64>(),
        };
        let reclaimable: i64 = unused.iter().map(|thing| thing.bytes).sum();
        (all, free) = (all + bytes, free + reclaimable);
        attempt.found(
            kind.as_str(),
            json!({"count": of.len(), "unused": unused.len(), "bytes": bytes, "reclaimable": reclaimable}),
        );
        let (count, unused) = (of.len().to_string(), unused.len().to_string());
        rows.push(vec![kind.to_string(), count, unused, size(bytes), size(reclaimable)]);
    }
    attempt.found("bytes", all);
    attempt.found("reclaimable", free);
    let columns = [
        "action.docker_column_kind",
        "action.docker_column_count",
        "action.docker_column_unused",
        "action.docker_column_size",
        "action.docker_column_reclaimable",
    ];
    attempt.table = Some(Grid::new(columns.map(Sentence::new).to_vec(), rows));
    Ok(sentence!("action.docker_room", bytes => size(all), free => size(free)))
}

/// Bytes as people read them, to two digits: `1.2 GB`.
#[allow(clippy::cast_precision_loss)] // rounded anyway
pub(super) fn size(bytes: i64) -> String {
    let mut left = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if left < 999.5 {
            return match unit {
                "B" => format!("{left:.0} B"),
                unit if left < 9.95 => format!("{left:.1} {unit}"),
                unit => format!("{left:.0} {unit}"),
            };
        }
        left /= 1000.0;
    }
    format!("{left:.1} TB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_people_read_them() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (64_000_000, "64 MB"),
            (999_600_000, "1.0 GB"),
            (1_234_567_890_123, "1.2 TB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn what_others_are_built_on_comes_after_them() {
        let disk = json!({"BuildCache": [
            {"ID": "base", "Parent": "", "Size": 1, "InUse": false},
            {"ID": "alone", "Size": 1, "InUse": false},
            {"ID": "top", "Parents": ["left", "middle"], "Size": 1, "InUse": false},
            {"ID": "left", "Parents": ["base"], "Size": 1, "InUse": false},
            {"ID": "middle", "Parent": "base", "Size": 1, "InUse": false},
        ]});
        let order: Vec<String> = things(&disk, &|_| false).into_iter().map(|thing| thing.id).collect();
        assert_eq!(order, ["top", "left", "middle", "alone", "base"]);
    }

    #[test]
    fn what_only_a_container_that_goes_uses_is_unused() {
        let disk = json!({
            "Containers": [{"Id": "c1", "Names": ["/old"], "State": "exited", "ImageID": "sha256:i1", "SizeRw": 10,
                "Mounts": [{"Type": "volume", "Name": "data"}], "Labels": {"team": "shop"}}],
            "Images": [{"Id": "sha256:i1", "RepoTags": ["app:1", "app:2"], "Size": 100, "SharedSize": 40}],
            "Volumes": [{"Name": "data", "UsageData": {"Size": 7, "RefCount": 1}, "Labels": null}],
            "BuildCache": [{"ID": "b1", "Size": 5, "InUse": false, "Description": "mount / from exec"}],
        });
        let unused = |gone: bool| {
            let found = things(&disk, &|thing| gone && thing.has("team=shop"));
            found.into_iter().filter(|thing| thing.unused).map(|thing| (thing.name(), thing.bytes)).collect::<Vec<_>>()
        };
        assert_eq!(unused(false), [("old".into(), 10), ("mount / from exec".into(), 5)]);
        assert_eq!(
            unused(true),
            [("old".into(), 10), ("app:1".into(), 60), ("data".into(), 7), ("mount / from exec".into(), 5)]
        );
    }
}
