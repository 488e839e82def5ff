//! The five teams' packs: every row of their documents is a command, and every command is proven.

mod coverage;
