//! Small numbers as Parquet stores them: runs of one number, and numbers of a few bits side by
//! side ("RLE/Bit-Packing Hybrid" of its format).

/// Why bytes are no such numbers.
const ENDED: &str = "numbers of a page end too early";

/// The first `count` of some numbers, each of `width` bits.
///
/// # Errors
/// Where there are fewer, or the width is more than 32.
pub(super) fn numbers(mut bytes: &[u8], width: u8, count: usize) -> Result<Vec<u32>, &'static str> {
    if width > 32 {
        return Err("numbers of a page have more than 32 bits");
    }
    let mut numbers = Vec::with_capacity(count);
    while numbers.len() < count {
        let left = count - numbers.len();
        let head = varint(&mut bytes)?;
        let length = usize::try_from(head >> 1).unwrap_or(usize::MAX);
        if head & 1 == 0 {
            let number = take(&mut bytes, usize::from(width).div_ceil(8))?;
            let mut little_endian = [0; 4];
            little_endian[..number.len()].copy_from_slice(number);
            let number = u32::from_le_bytes(little_endian);
            numbers.resize(numbers.len() + length.min(left), number);
        } else {
            // Groups of eight; the last one may be filled up with zeros.
            let length = length.saturating_mul(usize::from(width)).min(bytes.len());
            let packed = take(&mut bytes, length)?;
            let all = match usize::from(width) {
                0 => left,
                width => packed.len() * 8 / width,
            };
            if all == 0 {
                return Err(ENDED);
            }
            unpack(packed, width, all.min(left), &mut numbers);
        }
    }
    Ok(numbers)
}

/// Appends numbers that lie side by side, from the least bit of each byte on.
fn unpack(packed: &[u8], width: u8, count: usize, numbers: &mut Vec<u32>) {
    let width = usize::from(width);
    let mask = (1_u64 << width) - 1;
    let number = |window: u64, bit: usize| {
        // 32 bits at most are left.
        #[allow(clippy::cast_possible_truncation)]
        let number = ((window >> (bit % 8)) & mask) as u32;
        number
    };
    // A number and the bits before it are within 8 bytes.
    numbers.extend((0..count).map(|place| {
        let bit = place * width;
        let rest = &packed[bit / 8..];
        let window = rest.first_chunk().copied().unwrap_or_else(|| {
            let mut window = [0; 8];
            window[..rest.len()].copy_from_slice(rest);
            window
        });
        number(u64::from_le_bytes(window), bit)
    }));
}

fn take<'b>(bytes: &mut &'b [u8], length: usize) -> Result<&'b [u8], &'static str> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or(ENDED)?;
    *bytes = rest;
    Ok(taken)
}

/// Seven bits a byte, the least ones first.
fn varint(bytes: &mut &[u8]) -> Result<u64, &'static str> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err("a number of a page is too long")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the format's description gives as its example: 0 to 7 with three bits.
    #[test]
    fn the_example_of_the_format() {
        let packed = [0b11, 0b1000_1000, 0b1100_0110, 0b1111_1010];
        assert_eq!(numbers(&packed, 3, 8), Ok((0..8).collect()));
    }

    #[test]
    fn what_ends_too_early_is_an_error() {
        assert_eq!(numbers(&[], 1, 1), Err(ENDED));
        assert_eq!(numbers(&[0b11], 3, 1), Err(ENDED));
        assert_eq!(numbers(&[4, 1], 9, 1), Err(ENDED));
        assert_eq!(numbers(&[4, 7], 3, 3), Err(ENDED));
        assert!(numbers(&[0x80; 11], 3, 3).is_err());
        assert!(numbers(&[2, 1, 0, 0, 0, 0], 33, 1).is_err());
        assert_eq!(numbers(&[4, 7], 3, 2), Ok(vec![7, 7]));
        assert_eq!(numbers(&[5], 0, 3), Ok(vec![0; 3]));
    }

    /// One run or some groups of eight, as a writer may choose.
    #[derive(Clone, Debug)]
    enum Part {
        Run(u32, usize),
        Groups(Vec<u32>),
    }

    fn part() -> impl Strategy<Value = Part> {
        prop_oneof![
            (any::<u32>(), 1..300_usize).prop_map(|(number, length)| Part::Run(number, length)),
            prop::collection::vec(any::<u32>(), 1..100).prop_map(Part::Groups),
        ]
    }

    proptest! {
        #[test]
        fn numbers_are_read_as_they_were_written(
            width in 0..=32_u8,
            parts in prop::collection::vec(part(), 1..8),
        ) {
            let mask = u32::try_from((1_u64 << width) - 1).unwrap();
            let (mut bytes, mut expected) = (Vec::new(), Vec::new());
            let head = |bytes: &mut Vec<u8>, mut head: usize| {
                while head >= 0x80 {
                    bytes.push(u8::try_from(head & 0x7f).unwrap() | 0x80);
                    head >>= 7;
                }
                bytes.push(u8::try_from(head).unwrap());
            };
            for part in parts {
                match part {
                    Part::Run(number, length) => {
                        head(&mut bytes, length << 1);
                        let number = number & mask;
                        let width = usize::from(width).div_ceil(8);
                        bytes.extend(&number.to_le_bytes()[..width]);
                        expected.extend(vec![number; length]);
                    }
                    Part::Groups(mut numbers) => {
                        numbers.resize(numbers.len().next_multiple_of(8), 0);
                        head(&mut bytes, (numbers.len() / 8) << 1 | 1);
                        let mut bits = Vec::new();
                        for number in &numbers {
                            bits.extend((0..width).map(|bit| number >> bit & 1));
                        }
                        bytes.extend(bits.chunks(8).map(|bits| {
                            let byte = bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit);
                            u8::try_from(byte).unwrap()
                        }));
                        expected.extend(numbers.iter().map(|number| number & mask));
                    }
                }
            }
            for count in [expected.len(), expected.len() / 2, 0] {
                prop_assert_eq!(&numbers(&bytes, width, count).unwrap(), &expected[..count]);
            }
        }

        #[test]
        fn no_bytes_are_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..40),
            width: u8,
            count in 0..1_000_usize,
        ) {
            let read = numbers(&bytes, width, count);
            prop_assert!(read.is_err() || read.is_ok_and(|numbers| numbers.len() == count));
        }
    }
}
