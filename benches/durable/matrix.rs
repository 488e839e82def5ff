//! Acknowledgements: every door, database and number of clients; floor and product in turn, several rounds, medians.

use std::time::{Duration, Instant};

use anyhow::Result;

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
    println!(
        "{:<22} {:<10} {:>7}  {:>8} {:>8}  {:>8} {:>8} {:>6}  {:>8} {:>8} {:>6}",
        "", "", "", "floor", "p99", "doors", "p99", "ratio", "whole", "p99", "ratio"
    );
    println!(
        "{:<22} {:<10} {:>7}  {:>8} {:>8}  {:>8} {:>8} {:>6}  {:>8} {:>8} {:>6}",
        "door", "database", "clients", "1/s", "ms", "1/s", "ms", "", "1/s", "ms", ""
    );
    let started = Instant::now();
    for database in database::Kind::all() {
        for door in [Door::Hook, Door::Command] {
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
    print!("  {:>8.0} {:>8.1}", speed(floor), milliseconds(floor));
    for product in [doors, whole] {
        let ratios = floor.iter().zip(product).map(|(floor, product)| product.per_second / floor.per_second);
        print!("  {:>8.0} {:>8.1} {:>6.2}", speed(product), milliseconds(product), median(ratios.collect()));
    }
    let put_off: usize = doors.iter().chain(whole).map(|report| report.put_off).sum();
    println!("{}", if put_off > 0 { format!("  {put_off} times put off") } else { String::new() });
    Ok(())
}

async fn once(database: &database::Kind, kind: Kind, door: Door, clients: usize, count: usize) -> Result<Report> {
    let database = database.create().await?;
    let server = Server::start(kind, &database.url).await?;
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

fn milliseconds(reports: &[Report]) -> f64 {
    median(
        reports
            .iter()
            .map(|report| report.p99)
            .collect::<Vec<Duration>>()
            .into_iter()
            .map(|p99| p99.as_secs_f64() * 1e3)
            .collect(),
    )
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
