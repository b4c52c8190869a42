//! The Huffman code for strings (RFC 7541 §5.2, Appendix B). The code is canonical: codes of one length follow each other in the order
//! of their symbols, and the first of a length follows the last shorter one. So the lengths say it all.

/// End of string: longer than every byte's code, never sent, and its first bits are the padding.
const END: usize = 256;
/// Bits of the longest code.
const BITS_MAX: usize = 30;
/// Bits looked up at once. Codes of this length or less are those of most letters and digits.
const FAST_BITS: u32 = 8;

/// Bits of the code of each byte, and of the end.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// The code as it is used.
struct Code {
    /// Of each symbol.
    codes: [u32; 257],
    /// Symbols by length, then value: the order of their codes.
    order: [u16; 257],
    /// Codes of each length.
    count: [u32; BITS_MAX + 1],
    /// Symbol and length behind each first byte; length 0 where the code is longer.
    fast: [(u8, u8); 1 << FAST_BITS],
}

static CODE: Code = code();

const fn code() -> Code {
    let mut made = Code { codes: [0; 257], order: [0; 257], count: [0; BITS_MAX + 1], fast: [(0, 0); 1 << FAST_BITS] };
    let (mut next, mut place, mut length) = (0_u32, 0, 1);
    while length <= BITS_MAX {
        next <<= 1;
        let mut symbol = 0;
        while symbol <= END {
            if LENGTHS[symbol] as usize == length {
                made.codes[symbol] = next;
                made.order[place] = symbol as u16;
                made.count[length] += 1;
                let mut fill = if length <= FAST_BITS as usize { 1_u32 << (FAST_BITS as usize - length) } else { 0 };
                while fill > 0 {
                    fill -= 1;
                    made.fast[((next << (FAST_BITS as usize - length)) | fill) as usize] = (symbol as u8, length as u8);
                }
                next += 1;
                place += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    made
}

/// Bytes that `text` takes when coded.
pub(super) fn coded_bytes(text: &[u8]) -> usize {
    let bits: usize = text.iter().map(|byte| usize::from(LENGTHS[usize::from(*byte)])).sum();
    bits.div_ceil(8)
}

/// Appends `text`, coded and padded.
pub(super) fn encode(text: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut held) = (0_u64, 0_u32);
    for byte in text {
        let symbol = usize::from(*byte);
        bits = bits << LENGTHS[symbol] | u64::from(CODE.codes[symbol]);
        held += u32::from(LENGTHS[symbol]);
        while held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    if held > 0 {
        out.push((bits << (8 - held)) as u8 | (0xff >> held));
    }
}

/// Appends what `coded` stands for. `None` where it is no code, holds the end of string, or is padded with anything but up to seven ones;
/// part of the text may have been appended then. The text has at most 8/5 of the bytes.
pub(super) fn decode(coded: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (mut rest, mut bits, mut held) = (coded, 0_u64, 0_u32);
    loop {
        while held <= 56 {
            let Some((byte, tail)) = rest.split_first() else { break };
            bits |= u64::from(*byte) << (56 - held);
            held += 8;
            rest = tail;
        }
        let (symbol, length) = match CODE.fast[(bits >> (64 - FAST_BITS)) as usize] {
            (_, 0) => longer(bits, held)?,
            fast => fast,
        };
        if u32::from(length) > held {
            break;
        }
        out.push(symbol);
        bits <<= length;
        held -= u32::from(length);
    }
    // What is left is shorter than any code that it could begin, so it is padding: the first bits of the end of string, all ones.
    let is_padding = held < 8 && bits >> (64 - held.max(1)) == (1 << held.max(1)) - 1;
    (held == 0 || is_padding).then_some(())
}

/// The symbol at the front of `bits` whose code is longer than [`FAST_BITS`], with its length. A length above `held` says that the bits
/// do not suffice; `None` that it is the end of string.
fn longer(bits: u64, held: u32) -> Option<(u8, u8)> {
    let (mut first, mut place) = (0_u32, 0_u32);
    for length in 1..=BITS_MAX {
        let count = CODE.count[length];
        first <<= 1;
        let above = ((bits >> (64 - length)) as u32).wrapping_sub(first);
        if length as u32 > held || above < count {
            let symbol = if length as u32 > held { 0 } else { CODE.order[(place + above) as usize] };
            return (usize::from(symbol) != END).then_some((symbol as u8, length as u8));
        }
        first += count;
        place += count;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kraft's equality: no sequence of bits is without meaning, so the lengths are those of a whole code.
    #[test]
    fn the_code_is_complete() {
        let sum: u64 = LENGTHS.iter().map(|length| 1_u64 << (BITS_MAX - usize::from(*length))).sum();
        assert_eq!(sum, 1 << BITS_MAX);
    }

    /// Rows of RFC 7541 Appendix B: first and last of several lengths.
    #[test]
    fn codes_are_those_of_the_standard() {
        for (symbol, code) in [
            (usize::from(b'0'), 0x0),
            (usize::from(b't'), 0x9),
            (usize::from(b' '), 0x14),
            (usize::from(b':'), 0x5c),
            (usize::from(b'Z'), 0xfd),
            (usize::from(b'\\'), 0x7_fff0),
            (195, 0x7_fff1),
            (1, 0x7f_ffd8),
            (9, 0xff_ffea),
            (255, 0x3ff_ffee),
            (249, 0xfff_fffe),
            (10, 0x3fff_fffc),
            (END, 0x3fff_ffff),
        ] {
            assert_eq!(CODE.codes[symbol], code, "symbol {symbol}");
        }
    }

    #[test]
    fn every_byte_comes_back_and_bad_padding_does_not() {
        let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        let (mut coded, mut plain) = (Vec::new(), Vec::new());
        encode(&all, &mut coded);
        assert_eq!(coded.len(), coded_bytes(&all));
        assert_eq!(decode(&coded, &mut plain), Some(()));
        assert_eq!(plain, all);
        for wrong in [&[0xff][..], &[0x07, 0xff], &[0x06], &[0xff, 0xff, 0xff, 0xff]] {
            assert_eq!(decode(wrong, &mut Vec::new()), None, "{wrong:x?}");
        }
        assert_eq!(decode(&[0x07], &mut Vec::new()), Some(()), "a zero and three ones");
    }
}
