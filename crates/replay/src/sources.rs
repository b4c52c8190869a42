//! From which local addresses connections go out.
//!
//! Connections to one target differ in their source alone, so one source address has as many of them as there are ephemeral ports. On
//! the loopback interface all of 127.0.0.0/8 is this machine (RFC 1122 §3.2.1.3), so there further addresses bring further ports.

use std::net::{IpAddr, Ipv4Addr};

use crate::limits::SOURCES_MAX;

/// How many source addresses connections are spread over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Sources(u8);

impl Default for Sources {
    /// The one that the system chooses.
    fn default() -> Self {
        Self(1)
    }
}

impl Sources {
    /// As few as have ports for `connections` at once to loopback targets, where each has `ports`. A quarter of the ports is left to
    /// others and to connections that are still closing.
    #[must_use]
    pub fn on_loopback(connections: u64, ports: u64) -> Self {
        let usable = (ports - ports / 4).max(1);
        Self(connections.div_ceil(usable).clamp(1, u64::from(SOURCES_MAX)) as u8)
    }

    /// How many there are.
    #[must_use]
    pub fn count(self) -> u64 {
        u64::from(self.0)
    }

    /// Where connection number `connection` to `target` goes out; `None` leaves it to the system.
    #[must_use]
    pub fn of(self, target: IpAddr, connection: u32) -> Option<Ipv4Addr> {
        let spread = self.0 > 1 && target.is_ipv4() && target.is_loopback();
        spread.then(|| Ipv4Addr::new(127, 0, 0, 1 + (connection % u32::from(self.0)) as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    const TARGET: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    proptest! {
        #[test]
        fn no_address_has_more_connections_than_ports(connections in 1_u32..60_000, ports in 400_u64..40_000) {
            let sources = Sources::on_loopback(connections.into(), ports);
            let mut taken = HashMap::new();
            (0..connections).for_each(|number| *taken.entry(sources.of(TARGET, number)).or_insert(0_u64) += 1);
            let most = taken.values().copied().max().unwrap_or(0);
            prop_assert_eq!(taken.len() as u64, sources.count());
            prop_assert!(most <= ports - ports / 4, "{} on one address of {}", most, sources.count());
        }
    }

    #[test]
    fn where_one_address_is_enough_the_system_chooses_it() {
        let sources = Sources::on_loopback(20_000, 28_232);
        assert_eq!((sources, sources.of(TARGET, 7)), (Sources::default(), None));
        assert_eq!(Sources::on_loopback(30_000, 28_232).count(), 2);
        assert_eq!(Sources::on_loopback(u64::MAX, 28_232).count(), 250);
    }

    #[test]
    fn only_loopback_targets_are_reached_from_several_addresses() {
        let sources = Sources::on_loopback(60_000, 28_232);
        assert_eq!(sources.of(TARGET, 4), Some(Ipv4Addr::new(127, 0, 0, 2)));
        for other in ["10.0.0.1", "::1"] {
            assert_eq!(sources.of(other.parse().unwrap(), 4), None);
        }
    }
}
