//! Black-box tests: the real binary with a real small model, over real sockets.
//!
//! They need `python3` with pip: the model is a file of a Python package, and the SDK's tests run the SDK. The page's tests need
//! Debian's `chromium`, those of stored profiles Debian's `postgresql`.
//! Servers are shared between tests where the settings allow it; see [`server`].

mod agents;
mod bench;
mod bilinear;
mod bodies;
mod bridge;
mod calls;
mod catalogue;
mod chat;
mod client;
mod clients;
mod connections;
mod distil;
mod echo;
mod engine_settings;
mod eval;
mod examples;
mod formats;
mod forms;
mod golden;
mod guides;
mod heads;
mod http;
mod imports;
mod keys;
mod learning;
mod lifecycle;
mod literal;
mod load;
mod model;
mod openapi;
mod operation;
mod page;
mod pairs;
mod poll;
mod postgres;
mod profile_failures;
mod profiles;
mod props;
mod sampling;
mod schema;
mod sdk;
mod sdk_node;
mod sdk_own;
mod sdk_rust;
mod server;
mod sse;
mod sse_controls;
mod sse_response_calls;
mod sse_responses;
mod sse_texts;
mod steering;
mod stream;
mod terminal;
mod tidy;
mod traces;
