//! What may stand at the beginning of a connection before its protocol: SOCKS negotiation, PROXY headers.

/// How much of the first bytes of both sides is prelude.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prelude {
    /// None.
    No,
    /// It is not whole yet.
    More,
    /// So many bytes of each side.
    Skip { client_bytes: usize, server_bytes: usize },
}

/// Looks for one kind of prelude in the first bytes of client and server.
type Test = fn(&[u8], &[u8]) -> Prelude;

/// The known preludes, in the order in which they are asked.
const PRELUDES: &[Test] = &[socks5, socks4, proxy_v1, proxy_v2];

/// Finds a prelude in the first bytes of both sides.
pub(crate) fn find(client: &[u8], server: &[u8]) -> Prelude {
    PRELUDES.iter().map(|prelude| prelude(client, server)).find(|found| *found != Prelude::No).unwrap_or(Prelude::No)
}

/// A cursor that says "more" by running out.
struct Cursor<'a>(&'a [u8], usize);

impl Cursor<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = self.0.get(self.1).copied();
        self.1 += 1;
        byte
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.1 += count;
        (self.1 <= self.0.len()).then_some(())
    }
}

fn whole(lengths: Option<(usize, usize)>) -> Prelude {
    lengths.map_or(Prelude::More, |(client_bytes, server_bytes)| Prelude::Skip { client_bytes, server_bytes })
}

/// SOCKS 5 (RFC 1928): methods and choice, perhaps a password (RFC 1929), request and reply.
fn socks5(client: &[u8], server: &[u8]) -> Prelude {
    const PASSWORD: u8 = 2;
    let methods = client.get(1).map_or(0, |count| usize::from(*count));
    let offers_known =
        client.get(2..2 + methods).is_none_or(|methods| methods.iter().all(|method| matches!(method, 0..=PASSWORD)));
    if client.first() != Some(&5) || methods == 0 || !offers_known || !matches!(server, [] | [5] | [5, 0..=PASSWORD, ..]) {
        return Prelude::No;
    }
    let lengths = || {
        let (mut asked, mut answered) = (Cursor(client, 2), Cursor(server, 1));
        asked.skip(methods)?;
        if answered.byte()? == PASSWORD {
            asked.skip(1)?;
            for _ in 0..2 {
                let length = asked.byte()?;
                asked.skip(usize::from(length))?;
            }
            answered.skip(2)?;
        }
        for side in [&mut asked, &mut answered] {
            side.skip(3)?;
            socks5_address(side)?;
        }
        Some((asked.1, answered.1))
    };
    whole(lengths())
}

/// Address type, address and port.
fn socks5_address(side: &mut Cursor<'_>) -> Option<()> {
    let address_bytes = match side.byte()? {
        1 => 4,
        4 => 16,
        _ => usize::from(side.byte()?),
    };
    side.skip(address_bytes + 2)
}

/// SOCKS 4 and 4a: a request that ends with a user name, and with a host name where the address is 0.0.0.x; eight bytes answer.
fn socks4(client: &[u8], server: &[u8]) -> Prelude {
    let [4, 1, _, _, address @ ..] = client else { return Prelude::No };
    if !matches!(server, [] | [0] | [0, 90, ..]) {
        return Prelude::No;
    }
    let lengths = || {
        let names = if matches!(address, [0, 0, 0, last, ..] if *last > 0) { 2 } else { 1 };
        let mut asked = 8;
        for _ in 0..names {
            asked += client.get(asked..)?.iter().position(|byte| *byte == 0)? + 1;
        }
        (server.len() >= 8).then_some((asked, 8))
    };
    whole(lengths())
}

/// The PROXY protocol, version 1: one line of text (HAProxy, proxy-protocol.txt, section 2.1).
fn proxy_v1(client: &[u8], _: &[u8]) -> Prelude {
    const LINE_BYTES_MAX: usize = 107;
    let signature = b"PROXY ";
    if !client.starts_with(signature) {
        return Prelude::No;
    }
    let line = client.windows(2).take(LINE_BYTES_MAX - 1).position(|pair| pair == b"\r\n");
    match line {
        Some(end) => Prelude::Skip { client_bytes: end + 2, server_bytes: 0 },
        None if client.len() < LINE_BYTES_MAX => Prelude::More,
        None => Prelude::No,
    }
}

/// The PROXY protocol, version 2: a binary header with its length (section 2.2).
fn proxy_v2(client: &[u8], _: &[u8]) -> Prelude {
    if !client.starts_with(b"\r\n\r\n\0\r\nQUIT\n") {
        return Prelude::No;
    }
    let length = client.get(14..16).map(|length| 16 + usize::from(u16::from_be_bytes([length[0], length[1]])));
    whole(length.filter(|length| *length <= client.len()).map(|length| (length, 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The prelude is found from whole first bytes, nothing is decided from less, and what follows does not matter.
    #[track_caller]
    fn check(client: &[u8], server: &[u8]) {
        let skip = Prelude::Skip { client_bytes: client.len(), server_bytes: server.len() };
        assert_eq!(find(client, server), skip);
        assert_eq!(find(&[client, b"GET /"].concat(), &[server, b"HTTP"].concat()), skip);
        for cut in 1..client.len() {
            assert!(matches!(find(&client[..cut], &[]), Prelude::More | Prelude::No), "cut at {cut}");
        }
        if !server.is_empty() {
            assert_eq!(find(client, &server[..server.len() - 1]), Prelude::More);
        }
    }

    #[test]
    fn preludes_of_every_kind() {
        check(b"\x05\x01\x00\x05\x01\x00\x01\x0a\x00\x00\x01\x00\x50", b"\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00");
        check(
            b"\x05\x01\x02\x01\x01u\x02pw\x05\x01\x00\x03\x04host\x00\x50",
            b"\x05\x02\x01\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00",
        );
        check(b"\x04\x01\x00\x50\x0a\x00\x00\x01me\x00", b"\x00\x5a\x00\x50\x0a\x00\x00\x01");
        check(b"\x04\x01\x00\x50\x00\x00\x00\x01\x00example.org\x00", b"\x00\x5a\x00\x50\x0a\x00\x00\x01");
        check(b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n", b"");
        check(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x0a\x00\x00\x01\x0a\x00\x00\x02\x10\x00\x00\x50", b"");
    }

    #[test]
    fn ordinary_protocols_have_none() {
        for client in [&b"GET / HTTP/1.1\r\n"[..], b"\x16\x03\x01\x02\x00", b"", b"\x05\xff\xaa\xbb", b"PRI * HTTP/2.0\r\n"] {
            assert!(!matches!(find(client, b"HTTP/1.1 200 OK"), Prelude::Skip { .. } | Prelude::More));
        }
    }
}
