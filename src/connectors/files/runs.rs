//! Where in a text the runs of letters and digits are.
//!
//! The ends of words come as if by chance, so a loop that asks at each byte whether a word ends
//! there is wrong about it once or twice a word, and pays for that more than for all the rest. Here
//! blocks of 64 bytes become 64 bits without a question, and only the bits that differ from
//! their neighbours are looked at.

use std::ops::Range;

/// The bytes of a block.
const BLOCK: usize = u64::BITS as usize;

/// Calls `run` for each longest run of bytes that belong to a word: ASCII letters and digits, and
/// what `others` says of the block of bytes that begins at an offset.
pub(super) fn each_run(
    text: &str,
    mut others: impl FnMut(usize, &[u8]) -> u64,
    mut run: impl FnMut(Range<usize>),
) {
    let mut start = 0;
    // The bit of the byte before the block.
    let mut inside = 0;
    for (number, block) in text.as_bytes().chunks(BLOCK).enumerate() {
        let begin = number * BLOCK;
        let belonging = bits(block, is_letter_or_digit) | others(begin, block);
        // The first byte of each run, and the first one behind it.
        let mut ends = belonging ^ (belonging << 1 | inside);
        if inside == 1 && ends != 0 {
            run(start..begin + take_lowest(&mut ends));
        }
        inside = belonging >> (BLOCK - 1);
        while ends != 0 {
            start = begin + take_lowest(&mut ends);
            if ends == 0 {
                break;
            }
            run(start..begin + take_lowest(&mut ends));
        }
    }
    if inside == 1 {
        run(start..text.len());
    }
}

/// A letter or a digit of ASCII.
fn is_letter_or_digit(byte: u8) -> bool {
    // One case of letters differs from the other in one bit. Both sides are computed: a question
    // costs more than the answer.
    ((byte | 0x20).wrapping_sub(b'a') < 26) | (byte.wrapping_sub(b'0') < 10)
}

/// One bit for each byte of a block, the first byte's the lowest: whether it is such a byte.
pub(super) fn bits(block: &[u8], is: impl Fn(u8) -> bool) -> u64 {
    let mut flags = [0; BLOCK];
    if let Some(whole) = block.first_chunk::<BLOCK>() {
        // The same with a length that is known: many bytes at once.
        for (flag, &byte) in flags.iter_mut().zip(whole) {
            *flag = u8::from(is(byte));
        }
    } else {
        for (flag, &byte) in flags.iter_mut().zip(block) {
            *flag = u8::from(is(byte));
        }
    }
    let (eights, _) = flags.as_chunks();
    let eights = eights.iter().enumerate();
    eights.fold(0, |bits, (number, eight)| {
        bits | gathered(*eight) << (8 * number)
    })
}

/// Eight flags of 0 or 1 as eight bits.
fn gathered(flags: [u8; 8]) -> u64 {
    // The product brings bit `8 i` to bit `56 + i`, and no two bits to the same place.
    u64::from_le_bytes(flags).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// So many bits from the lowest; all where there are not as many.
pub(super) fn low_bits(number: usize) -> u64 {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    1_u64.checked_shl(number).unwrap_or(0).wrapping_sub(1)
}

/// The place of the lowest bit, which is taken away.
fn take_lowest(bits: &mut u64) -> usize {
    let place = bits.trailing_zeros() as usize;
    *bits &= *bits - 1;
    place
}

/// How many bytes stand before the first character outside ASCII.
pub(super) fn ascii_bytes(text: &[u8]) -> usize {
    let (eights, rest) = text.as_chunks();
    for (number, eight) in eights.iter().enumerate() {
        let others = u64::from_le_bytes(*eight) & 0x8080_8080_8080_8080;
        if others != 0 {
            return 8 * number + others.trailing_zeros() as usize / 8;
        }
    }
    let others = rest.iter().position(|byte| !byte.is_ascii());
    text.len() - rest.len() + others.unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_is_that_of_its_byte_in_blocks_of_any_length() {
        let bytes: Vec<u8> = (0..=255).collect();
        for begin in 0..=255 {
            for length in 0..=BLOCK.min(256 - begin) {
                let block = &bytes[begin..begin + length];
                let found = bits(block, is_letter_or_digit);
                for (at, byte) in block.iter().enumerate() {
                    assert_eq!(found >> at & 1 == 1, byte.is_ascii_alphanumeric());
                }
                assert_eq!(found & !low_bits(length), 0);
            }
        }
    }

    #[test]
    fn runs_are_those_that_splitting_finds_whatever_their_lengths() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..2_000 {
            let likely = random.f64();
            let text: String = (0..random.usize(0..300))
                .map(|_| if random.f64() < likely { 'w' } else { ' ' })
                .collect();
            let mut found = Vec::new();
            each_run(&text, |_, _| 0, |run| found.push(&text[run]));
            assert!(found.into_iter().eq(text.split_whitespace()), "{text}");
        }
    }

    #[test]
    fn text_is_ascii_up_to_the_first_other_character() {
        for length in 0..40 {
            let text = "a".repeat(length);
            assert_eq!(ascii_bytes(text.as_bytes()), length);
            assert_eq!(ascii_bytes(format!("{text}é ab é").as_bytes()), length);
        }
    }
}
