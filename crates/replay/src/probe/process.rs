//! Processes through `/proc`: one with everything it started, or all of one command, summed.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use rustix::param::{clock_ticks_per_second, page_size};
use trace::RunNs;

use super::procfs::{self, Stat, TCP_STATES};
use super::{Probe, ProbeKind, Sample};
use crate::clock::Clock;

/// One process and its descendants.
pub(super) const PID: ProbeKind = ProbeKind {
    name: "pid",
    syntax: "pid:NUMBER",
    about: "a process and all it started: CPU, memory, threads, descriptors, sockets, I/O",
    open: |argument, setup| {
        let pid = argument.parse().ok().filter(|pid| *pid > 0).ok_or("a process number was wanted, such as pid:1234")?;
        Ok(Box::new(Processes::new(Who::Pid(pid), setup.clock.clone())))
    },
};

/// All processes of one command and their descendants.
pub(super) const COMMAND: ProbeKind = ProbeKind {
    name: "command",
    syntax: "command:NAME",
    about: "the same of all processes of this name",
    open: |argument, setup| Ok(Box::new(Processes::new(Who::Command(argument.to_owned()), setup.clock.clone()))),
};

/// The kernel keeps so many bytes of a command's name.
const COMMAND_BYTES: usize = 15;
/// Between two looks for new processes.
const SCAN_EVERY_NS: i64 = 2_000_000_000;
/// Looking for processes takes at most one part in so many of the time, and more of it while what is watched is gone.
const SCAN_SHARE: i64 = 500;
const SCAN_SHARE_MISSING: i64 = 50;
/// Descriptors that are looked at for sockets in one tick; more are looked at in every second, third … one.
const DESCRIPTORS_PER_TICK: u64 = 256;

enum Who {
    Pid(i32),
    Command(String),
    /// This process, alone.
    Own,
}

/// What was last seen of a process: what has grown since is added to the sums.
#[derive(Default, Clone, Copy)]
struct Member {
    start_ticks: u64,
    seen: Sums,
}

#[derive(Default, Clone, Copy)]
struct Sums {
    cpu_ticks: u64,
    read_bytes: u64,
    written_bytes: u64,
}

impl Sums {
    fn grow(&mut self, from: Self, to: Self) {
        self.cpu_ticks += to.cpu_ticks.saturating_sub(from.cpu_ticks);
        self.read_bytes += to.read_bytes.saturating_sub(from.read_bytes);
        self.written_bytes += to.written_bytes.saturating_sub(from.written_bytes);
    }
}

/// Processes that are read as one. Sums only grow: those of a process that ended stay in them.
pub(super) struct Processes {
    who: Who,
    clock: Clock,
    members: BTreeMap<i32, Member>,
    sums: Sums,
    /// Whether their I/O may be read; that of another user's processes may not.
    io: bool,
    /// Number and start of the oldest, as last known.
    main: Option<(i32, u64)>,
    up: bool,
    scanned: Option<(RunNs, i64)>,
    ticks: u64,
    /// TCP states that were seen, and how many sockets in each.
    sockets: BTreeMap<usize, u64>,
    /// Time each thread of this process has waited for a core, ns.
    delays_ns: BTreeMap<u32, u64>,
    delayed_ns: u64,
}

/// This process, and what the calling thread costs.
pub(super) fn generator(clock: Clock) -> Processes {
    Processes::new(Who::Own, clock)
}

impl Processes {
    fn new(who: Who, clock: Clock) -> Self {
        Self {
            who,
            clock,
            members: BTreeMap::new(),
            sums: Sums::default(),
            io: false,
            main: None,
            up: false,
            scanned: None,
            ticks: 0,
            sockets: BTreeMap::new(),
            delays_ns: BTreeMap::new(),
            delayed_ns: 0,
        }
    }

    fn absent(&self) -> String {
        match &self.who {
            Who::Pid(pid) => format!("there is no process {pid}"),
            Who::Command(name) => format!("there is no process called {name}"),
            Who::Own => "/proc cannot be read".to_owned(),
        }
    }

    /// Reads the members; those that have ended leave.
    fn read(&mut self) -> Vec<(i32, Stat)> {
        let mut living = Vec::new();
        self.members.retain(|pid, member| {
            let stat = read_stat(*pid).filter(|stat| stat.start_ticks == member.start_ticks);
            stat.map(|stat| living.push((*pid, stat))).is_some()
        });
        living
    }

    /// Looks which processes there are, when it is time to.
    fn look(&mut self, missing: bool) {
        let now = self.clock.now();
        let wait_ns = |took_ns: i64| {
            if missing { took_ns * SCAN_SHARE_MISSING } else { (took_ns * SCAN_SHARE).max(SCAN_EVERY_NS) }
        };
        if self.scanned.is_some_and(|(at, took_ns)| now - at < wait_ns(took_ns)) {
            return;
        }
        let all = match self.who {
            Who::Own => BTreeMap::from_iter(own().and_then(|pid| Some((pid, read_stat(pid)?)))),
            Who::Pid(pid) if read_stat(pid).is_none() => BTreeMap::new(),
            Who::Pid(_) | Who::Command(_) => every_process(),
        };
        for pid in self.wanted(&all) {
            let start_ticks = all[&pid].start_ticks;
            if self.members.get(&pid).is_none_or(|member| member.start_ticks != start_ticks) {
                // All of it counts: what it did before it was watched, the first time; since it was started, later on.
                self.members.insert(pid, Member { start_ticks, seen: Sums::default() });
            }
        }
        self.scanned = Some((now, self.clock.now() - now));
    }

    /// The processes asked for, and all that they started.
    fn wanted(&self, all: &BTreeMap<i32, Stat>) -> HashSet<i32> {
        let own = own();
        let is_root = |pid: i32, stat: &Stat| match &self.who {
            Who::Pid(wanted) => pid == *wanted,
            Who::Command(name) => Some(pid) != own && stat.command == cut(name),
            Who::Own => true,
        };
        let mut wanted: HashSet<i32> = all.iter().filter(|(pid, stat)| is_root(**pid, stat)).map(|(pid, _)| *pid).collect();
        loop {
            let children = all.iter().filter(|(pid, stat)| wanted.contains(&stat.parent) && Some(**pid) != own);
            let new: Vec<i32> = children.map(|(pid, _)| *pid).filter(|pid| !wanted.contains(pid)).collect();
            if new.is_empty() {
                return wanted;
            }
            wanted.extend(new);
        }
    }

    /// Says what became of the oldest process.
    fn follow(&mut self, living: &[(i32, Stat)], sample: &mut Sample) {
        let oldest = living.iter().map(|(pid, stat)| (stat.start_ticks, *pid)).min().map(|(start, pid)| (pid, start));
        match (self.main, oldest) {
            (Some((before, _)), Some((now, _))) if self.main != oldest => {
                sample.event("restarted", format!("process {before} gave way to process {now}"));
            }
            (Some((before, _)), None) if self.up => sample.event("ended", format!("process {before} ended")),
            (Some((before, _)), Some(_)) if !self.up => sample.event("started", format!("process {before} is there again")),
            _ => {}
        }
        self.up = oldest.is_some();
        self.main = oldest.or(self.main);
    }

    fn add_up(&mut self, living: &[(i32, Stat)]) {
        for (pid, stat) in living {
            let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
            self.io |= !io.is_empty();
            let figure = |name| procfs::value(&io, name).unwrap_or(0);
            let now = Sums { cpu_ticks: stat.cpu_ticks, read_bytes: figure("read_bytes"), written_bytes: figure("write_bytes") };
            if let Some(member) = self.members.get_mut(pid) {
                self.sums.grow(member.seen, now);
                member.seen = now;
            }
        }
    }

    fn count_sockets(&mut self, living: &[(i32, Stat)], descriptors: u64) {
        self.ticks += 1;
        if !self.ticks.is_multiple_of(1 + descriptors / DESCRIPTORS_PER_TICK) && self.ticks > 1 {
            return;
        }
        let mut inodes = HashSet::new();
        for (pid, _) in living {
            let links = entries(format!("/proc/{pid}/fd").into()).filter_map(|path| std::fs::read_link(path).ok());
            inodes.extend(links.filter_map(|link| procfs::socket_inode(link.to_str()?)));
        }
        self.sockets.values_mut().for_each(|count| *count = 0);
        let Some((pid, _)) = living.first().filter(|_| !inodes.is_empty()) else { return };
        for table in ["tcp", "tcp6"] {
            let text = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
            for (state, _) in procfs::tcp_sockets(&text).filter(|(_, inode)| inodes.contains(inode)) {
                *self.sockets.entry(state).or_default() += 1;
            }
        }
    }

    /// How many descriptors the only process may have open: of several, each has a limit of its own, and what they have open is summed.
    fn descriptors_limit(living: &[(i32, Stat)]) -> Option<u64> {
        let [(pid, _)] = living else { return None };
        procfs::limit(&std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?, "Max open files")
    }

    /// What only a process can know of itself: how long its threads were ready and had no core, and what the probes cost.
    fn watch_itself(&mut self, sample: &mut Sample) {
        for path in entries("/proc/self/task".into()) {
            let tid = path.file_name().and_then(|name| name.to_str()?.parse().ok()).unwrap_or(0);
            let text = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
            if let Some(waited_ns) = text.split(' ').nth(1).and_then(|waited| waited.parse().ok()) {
                let before_ns = self.delays_ns.insert(tid, waited_ns).unwrap_or(0);
                self.delayed_ns += waited_ns.saturating_sub(before_ns);
            }
        }
        sample.counter("delayed_s", "s", self.delayed_ns as f64 / 1e9);
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        if let Some(ran_ns) = text.split(' ').next().and_then(|ran| ran.parse::<u64>().ok()) {
            sample.counter("probes_cpu_s", "s", ran_ns as f64 / 1e9);
        }
    }
}

impl Probe for Processes {
    fn sample(&mut self, sample: &mut Sample) -> Result<(), String> {
        let known = self.members.len();
        let mut living = self.read();
        let missing = living.is_empty() || living.len() < known;
        self.look(missing);
        if self.members.len() != living.len() {
            living = self.read();
        }
        self.follow(&living, sample);
        if living.is_empty() {
            return Err(self.absent());
        }
        self.add_up(&living);
        let sum = |figure: fn(&Stat) -> u64| living.iter().map(|(_, stat)| figure(stat)).sum::<u64>() as f64;
        sample.counter("cpu_s", "s", self.sums.cpu_ticks as f64 / clock_ticks_per_second() as f64);
        sample.gauge("rss_bytes", "bytes", sum(|stat| stat.rss_pages) * page_size() as f64);
        sample.gauge("threads", "", sum(|stat| stat.threads));
        sample.gauge("processes", "", living.len() as f64);
        if self.io {
            sample.counter("read_bytes", "bytes", self.sums.read_bytes as f64);
            sample.counter("written_bytes", "bytes", self.sums.written_bytes as f64);
        }
        let descriptors: u64 = living.iter().map(|(pid, _)| descriptors(*pid)).sum();
        if descriptors > 0 {
            sample.gauge("descriptors", "", descriptors as f64);
        }
        if let Some(limit) = Self::descriptors_limit(&living) {
            sample.gauge("descriptors_limit", "", limit as f64);
        }
        self.count_sockets(&living, descriptors);
        for (state, count) in &self.sockets {
            sample.gauge(format!("sockets{{state=\"{}\"}}", TCP_STATES[*state]), "", *count as f64);
        }
        if matches!(self.who, Who::Own) {
            self.watch_itself(sample);
        }
        Ok(())
    }
}

/// A command's name as the kernel keeps it.
fn cut(name: &str) -> &str {
    let mut end = name.len().min(COMMAND_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

fn own() -> Option<i32> {
    i32::try_from(std::process::id()).ok()
}

fn read_stat(pid: i32) -> Option<Stat> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    procfs::stat(&String::from_utf8_lossy(&text)).filter(|stat| stat.alive)
}

fn entries(folder: PathBuf) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn every_process() -> BTreeMap<i32, Stat> {
    let number = |path: PathBuf| path.file_name()?.to_str()?.parse().ok();
    entries("/proc".into()).filter_map(number).filter_map(|pid| Some((pid, read_stat(pid)?))).collect()
}

/// How many descriptors a process has open. Since Linux 6.2 the folder's size says so.
fn descriptors(pid: i32) -> u64 {
    let folder = PathBuf::from(format!("/proc/{pid}/fd"));
    let size = std::fs::metadata(&folder).map_or(0, |about| about.len());
    if size > 0 { size } else { entries(folder).count() as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(parent: i32, command: &str) -> Stat {
        Stat { command: command.to_owned(), alive: true, parent, cpu_ticks: 0, threads: 1, start_ticks: 1, rss_pages: 1 }
    }

    #[test]
    fn descendants_belong_to_those_asked_for() {
        let all = BTreeMap::from([
            (1, stat(0, "init")),
            (10, stat(1, "nginx")),
            (11, stat(10, "worker")),
            (12, stat(11, "helper")),
            (20, stat(1, "nginx")),
            (30, stat(1, "other")),
        ]);
        let (clock, _) = Clock::at_rest();
        let of = |who| {
            let mut pids: Vec<i32> = Processes::new(who, clock.clone()).wanted(&all).into_iter().collect();
            pids.sort_unstable();
            pids
        };
        assert_eq!(of(Who::Pid(10)), [10, 11, 12]);
        assert_eq!(of(Who::Command("nginx".into())), [10, 11, 12, 20]);
        assert!(of(Who::Pid(99)).is_empty());
        assert_eq!(cut("a-very-long-command-name"), "a-very-long-com");
    }

    #[test]
    fn the_oldest_process_is_followed() {
        let mut processes = Processes::new(Who::Command("x".into()), Clock::at_rest().0);
        let mut told = |living: &[(i32, u64)]| {
            let living: Vec<_> =
                living.iter().map(|(pid, start_ticks)| (*pid, Stat { start_ticks: *start_ticks, ..stat(1, "x") })).collect();
            let mut sample = Sample::default();
            processes.follow(&living, &mut sample);
            sample.events.into_iter().map(|(kind, _)| kind).collect::<Vec<_>>()
        };
        assert!(told(&[(5, 100)]).is_empty());
        assert!(told(&[(5, 100), (6, 200)]).is_empty(), "a worker came");
        assert!(told(&[(5, 100)]).is_empty(), "a worker went");
        assert_eq!(told(&[]), ["ended"]);
        assert!(told(&[]).is_empty(), "told once");
        assert_eq!(told(&[(7, 300)]), ["restarted"]);
        assert_eq!(told(&[(7, 400)]), ["restarted"], "the same number with another start is another process");
    }
}
