//! The texts of Linux's `/proc`, read apart (proc(5)). Pure; what is not as expected is `None`.

/// A line of `/proc/PID/stat`, as far as it is used. Times are clock ticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stat {
    pub command: String,
    pub alive: bool,
    pub parent: i32,
    pub cpu_ticks: u64,
    pub threads: u64,
    pub start_ticks: u64,
    pub rss_pages: u64,
}

/// The command stands in parentheses and may hold some itself: the last one ends it.
pub(super) fn stat(text: &str) -> Option<Stat> {
    let (front, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
    Some(Stat {
        command: front.split_once('(')?.1.to_owned(),
        alive: !matches!(*fields.first()?, "Z" | "X" | "x"),
        parent: fields.get(1)?.parse().ok()?,
        cpu_ticks: number(11)? + number(12)?,
        threads: number(17)?,
        start_ticks: number(19)?,
        rss_pages: number(21)?,
    })
}

/// The number behind `NAME:` or `NAME ` at the beginning of a line: `/proc/PID/io`, `/proc/meminfo`, `cpu.stat`, `memory.events`.
pub(super) fn value(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix([':', ' ']))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// The states of a TCP socket, by the number that `/proc/net/tcp` has for them, from 1 (include/net/tcp_states.h).
pub(super) const TCP_STATES: [&str; 11] = [
    "established",
    "syn_sent",
    "syn_recv",
    "fin_wait1",
    "fin_wait2",
    "time_wait",
    "close",
    "close_wait",
    "last_ack",
    "listen",
    "closing",
];

/// State (a place in [`TCP_STATES`]) and inode of every socket in `/proc/PID/net/tcp`.
pub(super) fn tcp_sockets(text: &str) -> impl Iterator<Item = (usize, u64)> {
    text.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(3);
        let state = usize::from_str_radix(fields.next()?, 16).ok()?.checked_sub(1).filter(|state| *state < TCP_STATES.len())?;
        Some((state, fields.nth(5)?.parse().ok()?))
    })
}

/// The inode behind a descriptor's link, where that is a socket: `socket:[123]`.
pub(super) fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The line `cpu` of `/proc/stat`, in clock ticks: busy, waiting for a disk, stolen. Guest time is part of user time already.
pub(super) fn cpu_ticks(text: &str) -> Option<[u64; 3]> {
    let fields: Vec<u64> = text.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace().flat_map(str::parse).collect();
    let [user, nice, system, _idle, waiting, irq, soft_irq, stolen, ..] = fields[..] else { return None };
    Some([user + nice + system + irq + soft_irq, waiting, stolen])
}

/// What `/proc/diskstats` says of a device (the kernel's Documentation/admin-guide/iostats.rst: fields 3, 7 and 10).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Disk<'a> {
    pub name: &'a str,
    /// A sector is 512 bytes.
    pub sectors_read: u64,
    pub sectors_written: u64,
    /// Milliseconds in which it had something to do.
    pub busy_ms: u64,
}

/// Every line of `/proc/diskstats`.
pub(super) fn disks(text: &str) -> impl Iterator<Item = Disk<'_>> {
    text.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let number = |place: usize| fields.get(place)?.parse().ok();
        Some(Disk { name: fields.get(2)?, sectors_read: number(5)?, sectors_written: number(9)?, busy_ms: number(12)? })
    })
}

/// Interface, bytes received and bytes sent of every line of `/proc/net/dev`.
pub(super) fn interfaces(text: &str) -> impl Iterator<Item = (&str, u64, u64)> {
    text.lines().filter_map(|line| {
        let (name, rest) = line.split_once(':')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        Some((name.trim(), fields.first()?.parse().ok()?, fields.get(8)?.parse().ok()?))
    })
}

/// A figure of `/proc/net/snmp` or `/proc/net/netstat`, whose lines come in pairs: names, then values.
pub(super) fn paired(text: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(group)?.strip_prefix(':'));
    let place = lines.next()?.split_ascii_whitespace().position(|known| known == name)?;
    lines.next()?.split_ascii_whitespace().nth(place)?.parse().ok()
}

/// The soft limit of a resource in `/proc/PID/limits`; `None` where it is unlimited.
pub(super) fn limit(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_command_may_hold_parentheses_and_spaces() {
        let line = "42 (a) b (c) S 7 42 42 0 -1 4194560 100 0 0 0 30 12 5 6 20 0 9 0 12345 1000000 250 18446744073709551615";
        let stat = stat(line).unwrap();
        assert_eq!((stat.command.as_str(), stat.parent, stat.alive), ("a) b (c", 7, true));
        assert_eq!((stat.cpu_ticks, stat.threads, stat.start_ticks, stat.rss_pages), (42, 9, 12345, 250));
        assert!(!super::stat(&line.replace(" S 7", " Z 7")).unwrap().alive);
    }

    #[test]
    fn tables_are_read_by_their_own_columns() {
        let tcp = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                   0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5150 1 0 100 0 0 10 0\n   \
                   1: 0100007F:18EB 0100007F:A000 01 00000000:00000000 00:00000000 00000000     0        0 5151 1 0 20 4 30 10 -1\n";
        assert_eq!(tcp_sockets(tcp).collect::<Vec<_>>(), [(9, 5150), (0, 5151)]);
        assert_eq!(socket_inode("socket:[5150]"), Some(5150));
        assert_eq!(socket_inode("/dev/null"), None);
        assert_eq!(cpu_ticks("cpu  10 1 5 100 7 2 3 4 1 0\ncpu0 1"), Some([21, 7, 4]));
        let snmp = "Ip: A B\nIp: 1 2\nTcp: RtoMin RetransSegs OutRsts\nTcp: 200 17 3\n";
        assert_eq!(paired(snmp, "Tcp", "RetransSegs"), Some(17));
        let dev =
            "Inter-|   Receive\n face |bytes\n    lo: 5 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0\n  eth0:7 1 0 0 0 0 0 0 8 1 0 0 0 0 0 0\n";
        assert_eq!(interfaces(dev).collect::<Vec<_>>(), [("lo", 5, 6), ("eth0", 7, 8)]);
        let disk = Disk { name: "nvme0n1", sectors_read: 80, sectors_written: 90, busy_ms: 17 };
        assert_eq!(disks(" 259 0 nvme0n1 4 0 80 1 6 0 90 1 0 17 2 8 0 0 0\n").collect::<Vec<_>>(), [disk]);
        assert_eq!(value("MemTotal:       100 kB\nMemAvailable:    60 kB\n", "MemAvailable"), Some(60));
        assert_eq!(value("usage_usec 77\nuser_usec 5\n", "user_usec"), Some(5));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[ -~\n]{0,300}") {
            let _ = (stat(&text), value(&text, "a"), cpu_ticks(&text), paired(&text, "Tcp", "x"));
            let _ = (tcp_sockets(&text).count(), disks(&text).count(), interfaces(&text).count(), socket_inode(&text));
        }
    }

    #[test]
    fn limits_are_the_soft_ones() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max processes             unlimited            unlimited            processes \n\
                    Max open files            1024                 524288               files     \n";
        assert_eq!(
            (limit(text, "Max open files"), limit(text, "Max processes"), limit(text, "Max nothing")),
            (Some(1024), None, None)
        );
    }
}
