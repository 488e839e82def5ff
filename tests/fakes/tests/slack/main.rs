//! The fake Slack is as its page says: what it accepts, what it refuses, what it delivers, what people can do.

mod app;
mod by_hand;
mod files;
mod forms;
mod http_mode;
mod limits;
mod people;
mod rates;
mod sdk;
mod socket;
mod web;
