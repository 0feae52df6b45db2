//! The name that somebody probably meant.

/// Longer names are not compared: it takes the product of their lengths.
const MAX_COMPARED_BYTES: usize = 64;

/// The known name that the fewest typing mistakes turn into `asked`, whatever the case of the
/// letters; the first of equally near ones, `None` when more than every third letter would be
/// mistyped.
pub(crate) fn nearest(asked: &str, known: &[String]) -> Option<String> {
    let short = |name: &str| name.len() <= MAX_COMPARED_BYTES;
    let candidates = known.iter().filter(|name| short(asked) && short(name));
    let asked = asked.to_lowercase();
    candidates
        .map(|name| (distance(&asked, &name.to_lowercase()), name))
        .filter(|(distance, name)| {
            let letters = name.chars().count();
            // Of a name of one letter there would be nothing left.
            distance * 3 <= letters.max(3) && (*distance == 0 || *distance < letters)
        })
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name.clone())
}

/// How many letters must be added, dropped, replaced or swapped with their neighbour to turn one
/// name into the other ("optimal string alignment").
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    // Rows of the table of distances between beginnings of the names; `rows` holds the last two.
    let mut rows = [Vec::new(), (0..=to.len()).collect::<Vec<usize>>()];
    let mut previous = None;
    for (i, a) in from.chars().enumerate() {
        let mut row = vec![i + 1];
        for (j, &b) in to.iter().enumerate() {
            let [before, above] = &rows;
            let replaced = above[j] + usize::from(a != b);
            let mut best = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if j > 0 && previous == Some(b) && to[j - 1] == a {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        let [_, above] = rows;
        rows = [above, row];
        previous = Some(a);
    }
    rows[1][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_each_kind_of_typing_mistake() {
        for (from, to, expected) in [
            ("words", "words", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("wrods", "words", 1),
            ("word", "words", 1),
            ("wordss", "words", 1),
            ("wörds", "words", 1),
            ("counts", "words", 4),
        ] {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn a_name_unlike_all_others_is_not_guessed() {
        let known = ["words", "counts", "b"].map(str::to_owned);
        assert_eq!(nearest("cuonts", &known).as_deref(), Some("counts"));
        assert_eq!(nearest("rankings", &known), None);
        assert_eq!(nearest(&"w".repeat(1_000_000), &known), None);
    }
}
