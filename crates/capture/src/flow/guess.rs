//! A name for connections that no dissector takes, by their first bytes: so that the account says what was left out.

/// The name of what nothing is known of.
pub(super) const UNKNOWN: &str = "unknown";

/// A guess at one protocol from the first bytes of client and server.
type Test = fn(&[u8], &[u8]) -> bool;

/// What first bytes look like, the surest signs first.
const GUESSES: &[(&str, Test)] = &[
    ("tls", |client, server| is_tls(client) || is_tls(server)),
    ("http2", |client, _| client.starts_with(b"PRI * HTTP/2.0")),
    ("ssh", |client, server| client.starts_with(b"SSH-") || server.starts_with(b"SSH-")),
    ("amqp", |client, _| client.starts_with(b"AMQP")),
    ("nats", |_, server| server.starts_with(b"INFO {")),
    ("postgres", |client, _| matches!(client, [_, _, _, _, 0, 3, 0, 0, ..] | [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f | 0x30, ..])),
    ("mqtt", |client, _| {
        client.first() == Some(&0x10) && client.windows(4).take(16).any(|name| name == b"MQTT" || name == b"MQIs")
    }),
    ("mysql", |_, server| matches!(server, [_, _, 0, 0, 9 | 10, ..])),
    ("smtp or ftp", |_, server| server.starts_with(b"220 ") || server.starts_with(b"220-")),
    ("memcached", |client, _| {
        [&b"get "[..], b"gets ", b"set ", b"add ", b"stats", b"version\r\n"].iter().any(|verb| client.starts_with(verb))
    }),
    ("thrift", |client, _| matches!(client, [0x80, 1, 0, 1 | 4, ..] | [_, _, _, _, 0x80, 1, 0, 1 | 4, ..])),
    ("cassandra", |client, server| {
        matches!(client, [3..=5, 0..=15, _, _, 1..=15, ..]) && matches!(server, [] | [0x83..=0x85, ..])
    }),
];

fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x14..=0x17, 3, 0..=4, _, _, ..])
}

/// What usually listens on a port (IANA, or the software's own default), for connections whose first bytes do not tell.
const PORTS: &[(u16, &str)] = &[
    (21, "ftp"),
    (22, "ssh"),
    (23, "telnet"),
    (25, "smtp"),
    (53, "dns"),
    (443, "tls"),
    (853, "tls"),
    (1433, "sqlserver"),
    (1521, "oracle"),
    (1883, "mqtt"),
    (2181, "zookeeper"),
    (3306, "mysql"),
    (4222, "nats"),
    (5432, "postgres"),
    (5672, "amqp"),
    (6443, "tls"),
    (8883, "tls"),
    (9042, "cassandra"),
    (11211, "memcached"),
];

/// What these first bytes look like.
pub(super) fn guess(client: &[u8], server: &[u8]) -> &'static str {
    GUESSES.iter().find(|(_, test)| test(client, server)).map_or(UNKNOWN, |(name, _)| name)
}

/// What usually listens on a port.
pub(super) fn guess_by_port(port: u16) -> &'static str {
    PORTS.iter().find(|(known, _)| *known == port).map_or(UNKNOWN, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::guess;

    #[test]
    fn well_known_first_bytes_have_names() {
        let cases: &[(&[u8], &[u8], &str)] = &[
            (b"\x16\x03\x01\x02\x00\x01", b"", "tls"),
            (b"PRI * HTTP/2.0\r\n\r\nSM", b"", "http2"),
            (b"", b"SSH-2.0-OpenSSH_9.6", "ssh"),
            (b"\0\0\0\x08\x04\xd2\x16\x2f", b"", "postgres"),
            (b"", b"J\0\0\0\n8.0.36\0", "mysql"),
            (b"\x10\x10\0\x04MQTT\x05", b"", "mqtt"),
            (b"\x01\x02\x03\x04", b"\x05", "unknown"),
            (b"", b"", "unknown"),
        ];
        for (client, server, name) in cases {
            assert_eq!(guess(client, server), *name);
        }
    }
}
