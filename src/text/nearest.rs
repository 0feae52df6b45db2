//! The name that somebody probably meant.

/// Longer names are not compared: it takes the product of their lengths.
const MAX_COMPARED_BYTES: usize = 64;

/// The known name that the fewest typing mistakes turn into `asked`, whatever the case of the
/// letters; the first of equally near ones. None where more than every third letter (of short
/// names: one) would be mistyped, and among names of more than 64 bytes.
///
/// ```
/// use squall::text::nearest;
///
/// let known = ["words", "counts", "rankings"];
/// assert_eq!(nearest("cuonts", &known), Some("counts"));
/// assert_eq!(nearest("totals", &known), None);
/// ```
#[must_use]
pub fn nearest<'n, S: AsRef<str>>(asked: &str, known: &'n [S]) -> Option<&'n str> {
    let known = known.iter().map(AsRef::as_ref);
    let short = |name: &str| name.len() <= MAX_COMPARED_BYTES;
    let candidates = known.filter(|name| short(asked) && short(name));
    let asked = asked.to_lowercase();
    let distances = candidates.map(|name| {
        let distance = strsim::osa_distance(&asked, &name.to_lowercase());
        (distance, name)
    });
    let near = distances.filter(|(distance, name)| {
        let letters = name.chars().count();
        // Of a name of one letter there would be nothing left.
        distance * 3 <= letters.max(3) && (*distance == 0 || *distance < letters)
    });
    let nearest = near.min_by_key(|(distance, _)| *distance);
    nearest.map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_typing_mistake_is_meant_and_no_other() {
        let known = ["words", "counts", "doubleSum", "b"];
        for (asked, meant) in [
            ("wrods", Some("words")),
            ("word", Some("words")),
            ("wordss", Some("words")),
            ("wörds", Some("words")),
            ("WORDS", Some("words")),
            ("doublesumm", Some("doubleSum")),
            ("rankings", None),
            ("c", None),
            ("", None),
        ] {
            assert_eq!(nearest(asked, &known), meant, "{asked}");
        }
        assert_eq!(nearest(&"w".repeat(1_000_000), &known), None);
        assert_eq!(nearest::<&str>("words", &[]), None);
    }
}
