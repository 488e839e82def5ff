//! `docker` wait_healthy: looks again and again until all containers run and are healthy, or the time is up. Changes
//! nothing.

use std::time::Duration;

use tokio::time::Instant;

use super::Attempt;
use super::engine::{Container, Engine, Fault};
use super::job::Selector;
use super::look;
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::listed;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// Looks in a row that must be good: one that ends at once and is started again runs now and then.
const STEADY: u32 = 3;

/// Facts of the last look.
pub(super) async fn wait(
    engine: &Engine,
    selector: &Selector,
    within: Duration,
    attempt: &mut Attempt<'_>,
) -> Result<Sentence, Fault> {
    let began = Instant::now();
    let mut good: Vec<String> = Vec::new();
    let mut looks = 0;
    loop {
        let found = engine.containers(selector).await?;
        look::list(&found, attempt);
        let ill: Vec<&str> = found.iter().filter(|one| !well(one)).map(|one| one.name.as_str()).collect();
        let ids: Vec<String> = found.iter().map(|one| one.id.clone()).collect();
        looks = if ill.is_empty() && !found.is_empty() && (looks == 0 || ids == good) { looks + 1 } else { 0 };
        good = ids;
        let waited = began.elapsed().as_secs();
        attempt.found("waited", waited);
        attempt.found("healthy", looks >= STEADY);
        if looks >= STEADY {
            return Ok(sentence!("action.docker_healthy", what => look::count(&found), seconds => waited));
        }
        if began.elapsed() >= within {
            let selector = selector.named();
            return Err(Fault::Failed(match found.is_empty() {
                true => sentence!("action.docker_none", selector),
                false if ill.is_empty() => sentence!("action.docker_unsteady", selector, seconds => waited),
                false => sentence!("action.docker_not_healthy", names => listed(&ill), seconds => waited),
            }));
        }
        tokio::time::sleep(PAUSE.min(within.saturating_sub(began.elapsed()))).await;
    }
}

fn well(container: &Container) -> bool {
    container.runs() && matches!(container.health(), "healthy" | "none")
}
