//! Hints from what probes saw.

use serde_json::json;

use super::Seen;
use crate::Analysis;
use crate::resources::{HOST, Resources, Series};
use crate::units::{count, counted, number, per_s, share};

/// Below this share of the machine's cores the target's processor is idle, above the other it is the limit.
const IDLE_SHARE_MAX: f64 = 0.5;
const SATURATED_SHARE_MIN: f64 = 0.9;
/// Throughput is flat where answers fall this far behind what is offered, or grow by less than a twentieth while a fifth more is offered.
const BEHIND_SHARE_MIN: f64 = 0.1;
const MORE_OFFERED_MIN: f64 = 1.2;
const MORE_ANSWERED_MAX: f64 = 1.05;
/// Segments sent again: so many, and so many of each request.
const RETRANSMITS_MIN: f64 = 20.0;
const RETRANSMITS_SHARE_MIN: f64 = 1e-3;
/// Descriptors are near their limit from this share of it on.
const DESCRIPTORS_SHARE_MIN: f64 = 0.8;

/// Cores in use by the target, on average and at most but for a twentieth of the time, and those there are. `None` where no probe saw the
/// target on this machine.
fn cores(analysis: &Analysis) -> Option<(f64, f64, f64)> {
    let resources = analysis.resources.as_ref()?;
    let is_here = |source: &String| ["pid:", "command:", "cgroup:"].iter().any(|kind| source.starts_with(kind));
    if !resources.target_cpu.as_ref()?.sources.iter().all(is_here) {
        return None;
    }
    let all: f64 = analysis.info.host.get("cores")?.parse().ok()?;
    let mut used: Vec<f64> = resources.over_time.target_cores.iter().flatten().copied().collect();
    used.sort_by(f64::total_cmp);
    let p95 = used.get((used.len() * 95).div_ceil(100).checked_sub(1)?)?;
    Some((used.iter().sum::<f64>() / used.len() as f64, *p95, all))
}

/// That answers do not grow with what is offered, in words with figures.
fn flat(analysis: &Analysis) -> Option<String> {
    let of_phases = analysis.by_phase.windows(2).find_map(|pair| {
        let answered = |phase: &crate::phases::Phase| {
            let seconds = (phase.to_ns - phase.from_ns) as f64 / 1e9;
            (seconds > 0.0).then(|| phase.ok as f64 / seconds)
        };
        let (offered, good) = ((pair[0].offered_per_s?, pair[1].offered_per_s?), (answered(&pair[0])?, answered(&pair[1])?));
        let flat = offered.1 >= MORE_OFFERED_MIN * offered.0 && good.1 <= MORE_ANSWERED_MAX * good.0;
        flat.then(|| {
            let names = (&pair[0].phase, &pair[1].phase);
            format!(
                "from phase {} to {} the offered rate rose from {} to {}, good answers from {} only to {}",
                names.0,
                names.1,
                per_s(offered.0),
                per_s(offered.1),
                per_s(good.0),
                per_s(good.1)
            )
        })
    });
    of_phases.or_else(|| {
        let totals = &analysis.totals;
        let (offered, answered) = (totals.offered_per_s()?, totals.amount_per_s(totals.answered)?);
        let behind = answered < (1.0 - BEHIND_SHARE_MIN) * offered;
        behind.then(|| format!("{} were offered and {} answered", per_s(offered), per_s(answered)))
    })
}

/// Throughput is flat though the processor is idle.
pub(super) fn cpu_idle(analysis: &Analysis) -> Option<Seen> {
    let (mean, p95, all) = cores(analysis)?;
    let flat = flat(analysis).filter(|_| p95 < IDLE_SHARE_MAX * all)?;
    Some(Seen {
        what: format!("Throughput is flat though the processor is not: {flat}, with {} of {} cores in use.", number(mean), number(all)),
        suggests: "Processor time is not what limits the target: look at locks, the size of its thread and connection pools, its disk, and what it \
                   waits for behind it; more cores would not help."
            .to_owned(),
        figures: json!({ "cores_mean": mean, "cores_p95": p95, "cores": all }),
        evidence: "resources: cpu_cores of the target; run.json: host.cores; outcomes: due_ns, done_ns, ok",
    })
}

/// The processor is the limit.
pub(super) fn cpu_saturated(analysis: &Analysis) -> Option<Seen> {
    let (mean, p95, all) = cores(analysis).filter(|(_, p95, all)| *p95 >= SATURATED_SHARE_MIN * all)?;
    let per_cpu_s = analysis.resources.as_ref()?.target_cpu.as_ref()?.answered_per_cpu_s;
    let cost = per_cpu_s.map(|answers| format!(" It gives {} answers for each second of processor time.", number(answers)));
    Some(Seen {
        what: format!(
            "The target's processor was full: {} of {} cores in use, {} on average.",
            number(p95),
            number(all),
            number(mean)
        ),
        suggests: format!(
            "Processor time limits this target: profile it, or give it more cores.{} If the load comes from the same machine, it took part of them.",
            cost.unwrap_or_default()
        ),
        figures: json!({ "cores_mean": mean, "cores_p95": p95, "cores": all, "answered_per_cpu_s": per_cpu_s }),
        evidence: "resources: cpu_cores of the target; run.json: host.cores",
    })
}

fn series(resources: &Resources, of: impl Fn(&&Series) -> bool) -> Option<&Series> {
    resources.series.iter().find(of)
}

/// The network lost segments.
pub(super) fn retransmits(analysis: &Analysis) -> Option<Seen> {
    let resources = analysis.resources.as_ref()?;
    let found = series(resources, |one| one.source == HOST && one.series == "tcp_retransmits")?;
    let again = found.last - found.first;
    let each = again / analysis.totals.sent.max(1) as f64;
    (again >= RETRANSMITS_MIN && each >= RETRANSMITS_SHARE_MIN).then(|| Seen {
        what: format!(
            "The host sent {} TCP segments again during the run, {} for a thousand requests.",
            count(again as u64),
            number(each * 1e3)
        ),
        suggests: "Each costs 200 ms or more: latencies near 200 ms, 400 ms and 1 s are the network's, not the target's. Look at overflowing listen \
                   queues (tcp_listen_overflows) and at losses on the way."
            .to_owned(),
        figures: json!({ "retransmits": again, "per_request": each }),
        evidence: "resources: host tcp_retransmits",
    })
}

/// Descriptors run out.
pub(super) fn descriptors(analysis: &Analysis) -> Option<Seen> {
    let resources = analysis.resources.as_ref()?;
    let near = resources.series.iter().filter(|one| one.series == "descriptors").find_map(|open| {
        let limit = series(resources, |one| one.source == open.source && one.series == "descriptors_limit")?.last;
        (limit > 0.0 && open.max >= DESCRIPTORS_SHARE_MIN * limit).then_some((open, limit))
    });
    let (open, limit) = near?;
    Some(Seen {
        what: format!(
            "{} had {} open at most, {} of its limit of {}.",
            open.source,
            counted(open.max as u64, "descriptor"),
            share(open.max / limit),
            count(limit as u64)
        ),
        suggests: "Past the limit connections are refused: raise it (ulimit -n, LimitNOFILE), or look for connections that are never closed.".to_owned(),
        figures: json!({ "descriptors_max": open.max, "descriptors_limit": limit }),
        evidence: "resources: descriptors, descriptors_limit",
    })
}
