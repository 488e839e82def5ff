//! The other side of what Sereno talks to: services on loopback that behave as the real ones do, and are strict. They
//! share no code with the product, so that a mistake of ours is not made twice.

pub mod app;
pub mod aws;
pub mod clock;
pub mod http;
pub mod loki;
pub mod slack;
pub mod smtp;

pub use clock::Clock;
