//! Sums of floating-point numbers that do not depend on the order of the numbers: those of
//! [`DoubleSum`], two numbers of which the second one is what the first one does not hold.

use squall::aggregate::{Aggregator, DoubleSum};

/// A number as a sum.
pub(crate) fn of(number: f64) -> [f64; 2] {
    // Never -0.0, which is the same and has other bytes.
    [number + 0.0, 0.0]
}

/// Both sums together; none where that is no finite number.
pub(crate) fn add(mut one: [f64; 2], other: [f64; 2]) -> Option<[f64; 2]> {
    DoubleSum.merge(&mut one, &other).ok()?;
    Some(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_the_same_in_every_order() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut numbers: Vec<f64> = (0..10_000).map(|_| random.f64() * 1e6 - 3e5).collect();
        numbers.extend([1e15, 0.1, -1e15]);
        let sum = |numbers: &[f64]| {
            let sum = numbers.iter().try_fold([0.0; 2], |sum, n| add(sum, of(*n)));
            sum.unwrap()[0].to_bits()
        };
        let first = sum(&numbers);
        for _ in 0..20 {
            random.shuffle(&mut numbers);
            assert_eq!(sum(&numbers), first);
        }
    }

    #[test]
    fn what_a_plain_sum_loses_is_kept() {
        let one = add(of(1e17), of(1.0)).unwrap();
        assert_eq!(one.map(f64::to_bits), [1e17, 1.0].map(f64::to_bits));
        assert_eq!(add(one, of(-1e17)), Some([1.0, 0.0]));
    }

    #[test]
    fn what_is_too_large_is_no_sum() {
        assert_eq!(add(of(f64::MAX), of(f64::MAX)), None);
        assert_eq!(add(of(f64::INFINITY), of(1.0)), None);
    }
}
