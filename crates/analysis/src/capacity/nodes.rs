//! How many nodes bear a demand, and what requests cost.

use serde::Serialize;
use stats::usl::{EXTRAPOLATION_MAX, Point, Usl};

use super::peak::Peak;
use super::{Cost, Nodes, Price, Question, Safe, Told};
use crate::units;

/// Nodes are told up to this many; a demand that needs more is no sizing but a different design.
const NODES_MAX: u32 = 100_000;
/// Rates are not told apart below this share, so that 3 nodes of 1000/s bear 3000/s.
const ROUNDING: f64 = 1e-9;

/// What has to be borne.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Demand {
    pub per_s: f64,
    /// Where the figure comes from.
    pub of: &'static str,
}

/// As asked, or else the recorded peak.
pub(super) fn demand(question: &Question) -> Option<Demand> {
    let peak =
        || Peak::held_against(&question.peaks.as_ref()?.all).map(|peak| Demand { per_s: peak.per_s, of: "the recorded peak" });
    question.demand.map(|rate| Demand { per_s: rate.0, of: "as asked" }).or_else(peak)
}

/// How the rate that is borne grows with nodes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scaling {
    /// Each node bears as much as every other, whatever their number: requests per second of one, and what one is known not to bear.
    Linear {
        /// Borne by one.
        per_node_per_s: f64,
        /// Not borne by one.
        not_per_node_per_s: Option<f64>,
    },
    /// The law fitted to what several numbers of nodes bore.
    Usl(Box<Usl>),
}

/// Nodes for a demand.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// Requests per second to be borne.
    pub demand_per_s: f64,
    /// Nodes, those in reserve among them.
    pub nodes: u32,
    /// The fewest and the most that the uncertainty of the measured rates leaves open.
    pub nodes_ends: (u32, u32),
    /// Of them, how many may fail while the demand is still borne.
    pub reserve: u32,
    /// How the rate grows with nodes.
    pub scaling: Scaling,
    /// What so many nodes cost in a month of 730.5 hours, and a million requests of the demand, where a price was given.
    pub cost: Option<Cost>,
    /// What the figure rests on.
    pub assumes: Vec<String>,
}

impl Scaling {
    /// The rate that so many nodes bear: as measured, at least and at most. `None` for more than the data bear.
    #[must_use]
    pub fn per_s(&self, nodes: u32) -> Option<(f64, f64, f64)> {
        let count = f64::from(nodes);
        match self {
            Self::Linear { per_node_per_s, not_per_node_per_s } => {
                let most = not_per_node_per_s.unwrap_or(*per_node_per_s);
                Some((count * per_node_per_s, count * per_node_per_s, count * most))
            }
            Self::Usl(law) => law.per_s(count).map(|rate| (rate.value, rate.low, rate.high)),
        }
    }

    /// The fewest nodes of which `rate` picks a rate at or above the demand.
    fn fewest(&self, demand_per_s: f64, rate: fn((f64, f64, f64)) -> f64) -> Option<u32> {
        let bears = |nodes: &u32| self.per_s(*nodes).is_some_and(|rates| rate(rates) * (1.0 + ROUNDING) >= demand_per_s);
        match self {
            Self::Linear { .. } => {
                let one = rate(self.per_s(1)?);
                let nodes = (demand_per_s / one * (1.0 - ROUNDING)).ceil();
                (nodes <= f64::from(NODES_MAX)).then_some(nodes as u32)
            }
            Self::Usl(law) => (1..=(EXTRAPOLATION_MAX * law.measured.1) as u32).find(bears),
        }
    }
}

fn scaling(safe: &Told<Safe>, nodes: &Nodes) -> Result<(Scaling, Vec<String>), String> {
    match nodes {
        Nodes::Measured(count) => {
            let safe = safe.get()?;
            let each = |per_s: f64| per_s / f64::from(*count);
            let scaling = Scaling::Linear { per_node_per_s: each(safe.per_s), not_per_node_per_s: safe.not_per_s.map(each) };
            let measured = units::counted(u64::from(*count), "node");
            let assumes = vec![
                format!("{measured} bore {} ({})", units::per_s(safe.per_s), safe.within),
                "nodes are independent and equal, so that the rate grows in proportion to their number; measure at least 6 numbers of nodes (--nodes 1=RATE,2=RATE,…) for less of an assumption".to_owned(),
            ];
            Ok((scaling, assumes))
        }
        Nodes::Scaling(measured) => {
            let points: Vec<Point> =
                measured.iter().map(|(nodes, per_s)| Point { concurrency: f64::from(*nodes), per_s: *per_s }).collect();
            let law = Usl::fit(&points).map_err(|refusal| format!("No law of nodes: {refusal}."))?;
            let counts = units::counted(measured.len() as u64, "number");
            let assumes = vec![format!(
                "the Universal Scalability Law, fitted to what {counts} of nodes bore, and asked no further than 1.1 times the largest"
            )];
            Ok((Scaling::Usl(Box::new(law)), assumes))
        }
    }
}

/// How many nodes bear the demand.
pub(super) fn plan(demand: &Demand, safe: &Told<Safe>, question: &Question) -> Result<Plan, String> {
    let (scaling, mut assumes) = scaling(safe, &question.nodes)?;
    let beyond = || {
        let why = match &scaling {
            Scaling::Linear { .. } => format!("more than {NODES_MAX} nodes would be needed"),
            Scaling::Usl(law) => format!(
                "beyond what the law says for up to {} nodes, 1.1 times the most that were measured",
                (EXTRAPOLATION_MAX * law.measured.1) as u32
            ),
        };
        format!("No number of nodes for {}: {why}.", units::per_s(demand.per_s))
    };
    let nodes = scaling.fewest(demand.per_s, |(value, _, _)| value).ok_or_else(beyond)?;
    let low = scaling.fewest(demand.per_s, |(_, _, high)| high).unwrap_or(nodes);
    let high = scaling.fewest(demand.per_s, |(_, low, _)| low).ok_or_else(beyond)?;
    let reserve = question.reserve;
    assumes.push(format!("a demand of {} ({}), its mix of requests as measured", units::per_s(demand.per_s), demand.of));
    assumes.push(match reserve {
        0 => "no node fails (--reserve N keeps some in reserve)".to_owned(),
        _ => format!(
            "with {} lost, the others still bear the demand, which is spread evenly over them",
            units::counted(u64::from(reserve), "node")
        ),
    });
    let nodes = nodes + reserve;
    let cost = question.price.as_ref().map(|price| {
        cost_of(
            price,
            f64::from(nodes),
            demand.per_s,
            "the demand comes evenly all the time; what peaks are left over is paid for and not used",
        )
    });
    Ok(Plan { demand_per_s: demand.per_s, nodes, nodes_ends: (low + reserve, high + reserve), reserve, scaling, cost, assumes })
}

fn cost_of(price: &Price, nodes: f64, per_s: f64, assumed: &str) -> Cost {
    let each = format!("a node costs {} {} an hour", units::short(price.per_h), price.currency);
    let nodes_said = format!("{} for {}", units::counted(nodes as u64, "node"), units::per_s(per_s));
    Cost {
        per_million: price.per_h * nodes / (per_s * 3600.0) * 1e6,
        currency: price.currency.clone(),
        assumes: vec![each.replace("  ", " "), nodes_said, assumed.to_owned()],
    }
}

/// What a million requests cost where the measured nodes bear all that they can.
pub(super) fn cost(price: &Price, safe: &Told<Safe>, nodes: &Nodes) -> Result<Cost, String> {
    let assumed = "they are always as busy as the thresholds allow: the least that a request can cost";
    match nodes {
        Nodes::Measured(count) => {
            let safe = safe.get()?;
            Ok(cost_of(price, f64::from(*count), safe.per_s, assumed))
        }
        Nodes::Scaling(measured) => {
            let costs = measured.iter().map(|(nodes, per_s)| cost_of(price, f64::from(*nodes), *per_s, assumed));
            costs.min_by(|a, b| a.per_million.total_cmp(&b.per_million)).ok_or_else(|| "No nodes were measured.".to_owned())
        }
    }
}
