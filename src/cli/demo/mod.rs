//! `sereno demo`: the whole road once, on this machine, with no account. A configuration, a catalogue and a script of
//! people; everything else is the product.

mod people;
mod shop;
mod show;
mod world;

use std::process::ExitCode;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Failure;
use super::args::{DemoOptions, shell_words};
use super::serve::{listen, load_from, stop_on_signal};
use crate::app::App;
use crate::clock::Clock;
use crate::config::Source;
pub use shop::serve as shop;
use world::World;

/// Plays the scene; then keeps serving, so that the one who watched can go on by themselves.
pub async fn demo(options: DemoOptions) -> Result<ExitCode, Failure> {
    let words = shell_words();
    let listener = listen(options.listen.as_deref().unwrap_or("127.0.0.1:0")).await?;
    let address = listener.local_addr().map_err(anyhow::Error::from)?.to_string();
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone());
    let shop_listener = listen("127.0.0.1:0").await?;
    let shop_address = shop_listener.local_addr().map_err(anyhow::Error::from)?.to_string();
    drop(shop_listener); // the shop is a process of its own, and listens there itself
    let world = World::build(&address, &shop_address, words.0)?;
    let _shop = shop::start(&shop_address, &world.dir)?;
    // Whatever this machine is set up for, a database in production among it, is not the demo's.
    let source = Source::alone(&world.config);
    let config = load_from(&source)?;
    let app = App::build(&config, source, Clock::System).await?;
    let link = app.engine.one_time_link("ana").await?;
    println!("{}\n", words.say("cli.demo_welcome", minijinja::context! { link }));
    let serving = tokio::spawn(app.run(listener, stop.clone()));
    let pace = Duration::from_millis(options.pace);
    let played = tokio::select! {
        played = people::play(&world, &shop_address, pace) => played,
        () = stop.cancelled() => Ok(()),
    };
    if played.is_ok() && !stop.is_cancelled() {
        println!(
            "{}",
            words.say(
                "cli.demo_end",
                minijinja::context! { stays => !options.once, config => world.config.display().to_string() }
            )
        );
        if !options.once {
            println!("{}", words.get("cli.demo_stays"));
            stop.cancelled().await;
        }
    }
    stop.cancel();
    serving.await.map_err(anyhow::Error::from)??;
    played?;
    Ok(ExitCode::SUCCESS)
}
