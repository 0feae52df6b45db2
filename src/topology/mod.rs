//! Topologies: the typed builder ([`Topology`]) and the plan that it makes.
//!
//! A plan is plain data: what it is made of ([`Plan`]), whether it can run ([`Plan::check`]),
//! in which order ([`Plan::topological_order`]) and how it looks ([`Plan::draw`]).

mod builder;
mod carriage;
mod check;
mod component;
mod draw;
mod mistake;
mod order;
mod plan;
#[cfg(test)]
mod samples;

pub use builder::Topology;
pub(crate) use builder::{Definition, Make, Parts};
pub use carriage::{Carriage, UnknownWhen, When};
pub use check::MAX_FIELDS_TASKS;
pub use component::{Aggregating, AsStream, Component, Grouped, Keyed, NoInput, Stream};
pub use draw::{PlanFormat, UnknownPlanFormat};
pub use mistake::{PlanError, PlanErrors};
pub use plan::{
    ComponentKind, ComponentPlan, DEAD_LETTERS, DEFAULT_STREAM, Grouping, InputPlan, KeyPart,
    KeyPlan, Plan, StreamPlan,
};
