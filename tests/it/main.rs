//! The whole server, tested from outside: real gRPC, a real HTTP upstream, real files.
//!
//! One binary, so that it links once. What is pure is tested beside its code; here is only what
//! needs the parts together. [`harness`] starts servers; every other module is a list of facts.
//! Nothing here touches a network beyond loopback, and every wait has a deadline.

#[cfg(test)]
mod harness;
#[cfg(test)]
mod http;

#[cfg(test)]
mod architecture;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod bad_request;
#[cfg(test)]
mod budgets;
#[cfg(test)]
mod cancel;
#[cfg(test)]
mod command;
#[cfg(test)]
mod config;
#[cfg(test)]
mod costs;
#[cfg(test)]
mod download;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod fallback;
#[cfg(test)]
mod idempotency;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod life;
#[cfg(test)]
mod load;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod models;
#[cfg(test)]
mod moderation;
#[cfg(test)]
mod openai;
#[cfg(test)]
mod pairs;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod rerouting;
#[cfg(test)]
mod routing;
#[cfg(test)]
mod seeds;
#[cfg(test)]
mod service_config;
#[cfg(test)]
mod startup;
#[cfg(test)]
mod submit;
#[cfg(test)]
mod surface;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod upload;
#[cfg(test)]
mod upstream;
#[cfg(test)]
mod watch;
#[cfg(test)]
mod webhooks;
