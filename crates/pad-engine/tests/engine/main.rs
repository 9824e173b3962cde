//! The engine over a fake runner that keeps tokens where a model keeps keys and values, and over small real models.

mod adjustment;
mod bridge;
mod checkpoint;
mod constraint;
mod embedding;
mod fake;
mod heads;
mod life;
mod reward_time;
mod scheduling;
mod scoring;
mod tenants;
mod union;
mod windows;
