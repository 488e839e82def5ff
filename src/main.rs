//! The `sereno` program: reads its arguments, does as told, ends with an exit code.

#[tokio::main]
async fn main() -> std::process::ExitCode {
    sereno::cli::main().await
}
