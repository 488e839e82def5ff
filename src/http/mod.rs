//! The HTTP server: alert hooks, health, metrics, the console's pages and its JSON API. Knows the engine's doors and
//! the store's views; never how a runbook is run.
