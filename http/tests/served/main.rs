//! What is served of real runs, as others read it.
//!
//! | file | idea |
//! |---|---|
//! | `job` | a run with late tuples, dead letters, commits, lag, and a sink whose target can be away |
//! | `ask` | requests as bytes on a socket |
//! | `metrics` | a Prometheus parser reads what the run's own summary says |
//! | `access` | tokens, addresses, bounds |
//! | `health` | health and the topology as JSON, from a run's start to its end |
//! | `restart` | counters and health over a failure |
//! | `described` | the book's table and the dashboard name the metrics that are served |

mod access;
mod ask;
mod described;
mod health;
mod job;
mod metrics;
mod restart;

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;
