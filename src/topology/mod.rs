//! Topologies: the typed builder ([`Topology`]) and the plan that it makes.
//!
//! A plan is plain data: what it is made of ([`Plan`]), whether it can run ([`Plan::check`]),
//! in which order ([`Plan::topological_order`]) and how it looks ([`Plan::draw`]).

mod builder;
mod check;
mod component;
mod definition;
mod draw;
mod exchange;
mod exchanges;
mod mistake;
mod order;
mod parts;
mod physical;
mod plan;
#[cfg(test)]
mod samples;
mod when;

pub use crate::operator::CustomGrouping;
pub use builder::Topology;
pub use component::{Aggregating, AsStream, Component, Grouped, Keyed, NoInput, Stream};
pub(crate) use definition::{Definition, Make};
pub use draw::{PlanFormat, UnknownPlanFormat};
pub use exchange::Exchange;
pub use mistake::{PlanError, PlanErrors};
pub(crate) use parts::Parts;
pub use physical::{PhysicalInput, PhysicalPlan, PhysicalTask};
pub use plan::{
    ComponentKind, ComponentPlan, DEAD_LETTERS, DEFAULT_STREAM, Grouping, InputPlan, KeyPart,
    KeyPlan, MAX_FIELDS_TASKS, Plan, StreamPlan,
};
pub use when::{UnknownWhen, When};
