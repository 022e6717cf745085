//! `plan --graph`: a plan as a graph.

use clap::ValueEnum;
use shipway::{Plan, report::PlanGraph};

use crate::world;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    Text,
    Dot,
    Svg,
}

impl Form {
    /// Returns the plan in this form.
    pub(crate) fn write(self, plan: &Plan) -> String {
        let graph = PlanGraph(plan);
        match self {
            Self::Text => graph.text(world::columns()),
            Self::Dot => graph.dot(),
            Self::Svg => graph.svg(),
        }
    }
}
