//! `docker` stats: how much processor and memory containers use, once or over a while, beside their limits.

use std::time::Duration;

use bollard::models::{ContainerCpuStats, ContainerStatsResponse};
use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::StreamExt as _;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::Attempt;
use super::disk::size;
use super::engine::{Container, Engine, Fault, of_one};
use super::look::count;
use crate::domain::figure::Grid;
use crate::domain::sentence::{Sentence, sentence};

/// What was measured of one container: the last time, and the highest.
#[derive(Debug, Default, PartialEq)]
struct Usage {
    samples: u32,
    cpu: Option<f64>,
    cpu_max: Option<f64>,
    memory: Option<u64>,
    memory_max: Option<u64>,
    limit: Option<u64>,
}

/// Facts of each one's use, over `span`, or about a second.
pub(super) async fn measure(
    engine: &Engine,
    targets: &[Container],
    span: Option<u64>,
    attempt: &mut Attempt<'_>,
) -> Result<Sentence, Fault> {
    let usages: Vec<Usage> = try_join_all(targets.iter().map(|target| one(engine, target, span))).await?;
    let highest = |of: &dyn Fn(&Usage) -> Option<f64>| usages.iter().filter_map(of).reduce(f64::max);
    attempt.found("cpu_percent_max", json!(highest(&|usage| usage.cpu_max)));
    attempt.found("memory_percent_max", json!(highest(&|usage| usage.percent(usage.memory_max))));
    let both = || targets.iter().zip(&usages);
    attempt.found("containers", both().map(|(target, usage)| usage.fact(target)).collect::<Vec<_>>());
    let columns = [
        "action.docker_column_name",
        "action.docker_column_cpu",
        "action.docker_column_memory",
        "action.docker_column_memory_limit",
    ];
    attempt.table =
        Some(Grid::new(columns.map(Sentence::new).to_vec(), both().map(|(target, usage)| usage.row(&target.name))));
    Ok(sentence!("action.docker_measured", what => count(targets)))
}

async fn one(engine: &Engine, target: &Container, span: Option<u64>) -> Result<Usage, Fault> {
    let options = StatsOptionsBuilder::default().stream(span.is_some()).one_shot(false).build();
    let mut answers = Box::pin(engine.docker.stats(&target.id, Some(options)));
    let mut usage = Usage::default();
    let end = tokio::time::sleep(Duration::from_secs(span.unwrap_or(u64::from(u32::MAX))));
    tokio::pin!(end);
    loop {
        let answer = tokio::select! {
            answer = answers.next() => answer,
            // A short span still has one measurement.
            () = &mut end, if usage.samples > 0 => return Ok(usage),
        };
        match answer {
            Some(Ok(answer)) => usage.take(&answer),
            Some(Err(error)) => return Err(of_one(target, &error)),
            None if usage.samples > 0 => return Ok(usage),
            None => return Err(Fault::Failed(sentence!("action.docker_no_stats", name => &target.name))),
        }
        if span.is_none() {
            return Ok(usage);
        }
    }
}

impl Usage {
    /// Takes one answer, by the same arithmetic as `docker stats`.
    fn take(&mut self, answer: &ContainerStatsResponse) {
        let memory = answer.memory_stats.as_ref();
        let cached = memory.and_then(|memory| memory.stats.as_ref()).and_then(|stats| {
            // The name under the first and the second generation of control groups.
            stats.get("total_inactive_file").or_else(|| stats.get("inactive_file")).copied()
        });
        self.samples += 1;
        self.cpu = cpu(answer);
        self.cpu_max = [self.cpu_max, self.cpu].into_iter().flatten().reduce(f64::max);
        self.memory = memory.and_then(|memory| memory.usage).map(|usage| usage.saturating_sub(cached.unwrap_or(0)));
        self.memory_max = self.memory_max.max(self.memory);
        self.limit = memory.and_then(|memory| memory.limit).or(self.limit);
    }

    fn percent(&self, memory: Option<u64>) -> Option<f64> {
        memory.zip(self.limit).filter(|(_, limit)| *limit > 0).map(|(used, limit)| share(used, limit, 1))
    }

    fn fact(&self, target: &Container) -> Value {
        json!({
            "name": target.name,
            "service": target.service,
            "samples": self.samples,
            "cpu_percent": self.cpu,
            "cpu_percent_max": self.cpu_max,
            "memory_bytes": self.memory,
            "memory_bytes_max": self.memory_max,
            "memory_limit": self.limit,
            "memory_percent": self.percent(self.memory),
            "memory_percent_max": self.percent(self.memory_max),
        })
    }

    fn row(&self, name: &str) -> Vec<String> {
        let cell = |now: Option<String>, most: Option<String>| match (now, most) {
            (Some(now), Some(most)) if self.samples > 1 && now != most => format!("{now} (max {most})"),
            (now, _) => now.unwrap_or_else(|| "-".to_owned()),
        };
        let bytes = |bytes: Option<u64>| bytes.and_then(|bytes| i64::try_from(bytes).ok()).map(size);
        let part = |memory| self.percent(memory).map(|part| format!("{part} %"));
        let memory = |bytes_: Option<u64>| Some(format!("{} · {}", bytes(bytes_)?, part(bytes_)?));
        let percent = |part: Option<f64>| part.map(|part| format!("{part} %"));
        vec![
            name.to_owned(),
            cell(percent(self.cpu), percent(self.cpu_max)),
            cell(memory(self.memory), memory(self.memory_max)),
            cell(bytes(self.limit), None),
        ]
    }
}

fn cpu(answer: &ContainerStatsResponse) -> Option<f64> {
    let (now, before) = (answer.cpu_stats.as_ref()?, answer.precpu_stats.as_ref()?);
    let spent = |stats: &ContainerCpuStats| stats.cpu_usage.as_ref()?.total_usage;
    let used = spent(now)?.saturating_sub(spent(before)?);
    let system = now.system_cpu_usage?.saturating_sub(before.system_cpu_usage?);
    (system > 0).then(|| share(used, system, now.online_cpus.unwrap_or(1)))
}

/// In percent, to two decimals.
#[allow(clippy::cast_precision_loss)] // far below 2^53
fn share(part: u64, whole: u64, times: u32) -> f64 {
    (part as f64 / whole as f64 * f64::from(times) * 10_000.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_of_a_while_is_kept_beside_the_last() {
        let mut usage = Usage::default();
        for used in [100, 900, 300] {
            let answer = json!({"memory_stats": {"usage": used, "limit": 1000, "stats": {"inactive_file": 100}}});
            usage.take(&serde_json::from_value(answer).unwrap());
        }
        assert_eq!((usage.samples, usage.memory, usage.memory_max), (3, Some(200), Some(800)));
        assert_eq!(usage.percent(usage.memory_max), Some(80.0));
        assert_eq!(usage.row("api"), ["api", "-", "200 B · 20 % (max 800 B · 80 %)", "1.0 kB"]);
    }
}
