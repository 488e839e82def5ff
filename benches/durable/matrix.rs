//! Acknowledgements: every door, database and number of clients; floor and product in turn, several rounds, medians.

use std::time::{Duration, Instant};

use anyhow::Result;
use sereno_fakes::Clock;
use sereno_fakes::slack::{Setup, Slack};

use crate::database;
use crate::load::{self, Report};
use crate::requests::Door;
use crate::server::{Kind, Server};
use crate::setting;

const CLIENTS: [usize; 3] = [1, 8, 64];
/// Incidents that the alerts belong to.
const INCIDENTS: usize = 64;
/// Requests before time is taken: connections, prepared statements and caches are there.
const WARM_UP: usize = 256;

/// Measures and prints all.
pub async fn measure() -> Result<()> {
    let (count, rounds) = (setting("SERENO_BENCH_REQUESTS", 2_000), setting("SERENO_BENCH_ROUNDS", 5));
    println!("\nAcknowledgements: {count} requests a cell, median of {rounds} rounds; each ratio is the median of the");
    println!(
        "rounds' ratios to the floor that ran just before. doors: the engine's loops are off. whole: as in production."
    );
    println!("Times are p50/p99 in ms.");
    let line = |cells: [&str; 11]| {
        let [door, database, clients, floor, t0, doors, t1, r1, whole, t2, r2] = cells;
        println!(
            "{door:<22} {database:<10} {clients:>7}  {floor:>8} {t0:>9}  {doors:>8} {t1:>9} {r1:>6}  {whole:>8} {t2:>9} {r2:>6}"
        );
    };
    line(["", "", "", "floor", "", "doors", "", "ratio", "whole", "", "ratio"]);
    line(["door", "database", "clients", "1/s", "ms", "1/s", "ms", "", "1/s", "ms", ""]);
    let started = Instant::now();
    for database in database::Kind::all() {
        for door in [Door::Hook, Door::Command, Door::Slack] {
            for clients in CLIENTS {
                cell(&database, door, clients, (count, rounds)).await?;
            }
        }
    }
    println!("took {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

async fn cell(database: &database::Kind, door: Door, clients: usize, (count, rounds): (usize, usize)) -> Result<()> {
    let mut seen: [Vec<Report>; 3] = Default::default();
    for _ in 0..rounds {
        for (kind, reports) in [Kind::Floor, Kind::Doors, Kind::Whole].into_iter().zip(&mut seen) {
            reports.push(once(database, kind, door, clients, count).await?);
        }
    }
    let [floor, doors, whole] = &seen;
    print!("{:<22} {:<10} {clients:>7}", door.name(), database.name());
    print!("  {:>8.0} {:>9}", speed(floor), times(floor));
    for product in [doors, whole] {
        let ratios = floor.iter().zip(product).map(|(floor, product)| product.per_second / floor.per_second);
        print!("  {:>8.0} {:>9} {:>6.2}", speed(product), times(product), median(ratios.collect()));
    }
    let put_off: usize = doors.iter().chain(whole).map(|report| report.put_off).sum();
    println!("{}", if put_off > 0 { format!("  {put_off} times put off") } else { String::new() });
    Ok(())
}

async fn once(database: &database::Kind, kind: Kind, door: Door, clients: usize, count: usize) -> Result<Report> {
    let database = database.create().await?;
    // A Slack of our own that takes everything at once, in this process.
    let slack = match door {
        Door::Slack => Some(Slack::start(Setup::at(Clock::system()).with(|world| world.rates.on = false)).await?),
        Door::Hook | Door::Command => None,
    };
    let api = slack.as_ref().map(Slack::api_url);
    let server = Server::start(kind, &database.url, api.as_deref()).await?;
    let mut requests = door.requests(WARM_UP + count, INCIDENTS);
    load::send(server.address, requests.drain(..WARM_UP).collect(), clients).await?;
    let report = load::send(server.address, requests, clients).await?;
    server.end().await?;
    database.end().await?;
    Ok(report)
}

fn speed(reports: &[Report]) -> f64 {
    median(reports.iter().map(|report| report.per_second).collect())
}

/// Medians of the rounds' p50 and p99, in milliseconds.
fn times(reports: &[Report]) -> String {
    let of = |time: fn(&Report) -> Duration| median(reports.iter().map(|r| time(r).as_secs_f64() * 1e3).collect());
    format!("{:.1}/{:.1}", of(|report| report.p50), of(|report| report.p99))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
