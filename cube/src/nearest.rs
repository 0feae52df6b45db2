//! The name that was probably meant.

use squall::text::Shown;

/// The name that the fewest typing mistakes turn into the one that was asked for, whatever the case
/// of the letters; the first of equally near ones, none where more than every third letter would
/// be mistyped.
pub(crate) fn nearest<'n>(asked: &str, names: &[&'n str]) -> Option<&'n str> {
    let asked = asked.to_lowercase();
    let distances = names.iter().map(|name| {
        let distance = strsim::osa_distance(&asked, &name.to_lowercase());
        (distance, *name)
    });
    distances
        .filter(|(distance, name)| distance * 3 <= name.chars().count().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// What to do about a name that nobody knows: `did you mean `day`? there are hour, day`.
pub(crate) fn hint(asked: &str, names: &[&str]) -> String {
    let all = match names {
        [] => "there are none".to_owned(),
        [name] => format!("there is only {name}"),
        names => format!("there are {}", names.join(", ")),
    };
    let hint = match nearest(asked, names) {
        Some(name) => format!("did you mean `{name}`? {all}"),
        None => all,
    };
    Shown(hint).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_meant_if_any() {
        let names = ["longMin", "longSum", "doubleSum"];
        assert_eq!(nearest("doublesumm", &names), Some("doubleSum"));
        assert_eq!(nearest("lonSum", &names), Some("longSum"));
        assert_eq!(nearest("xyz", &names), None);
        assert_eq!(nearest("", &[]), None);
        assert_eq!(hint("xyz", &names), "there are longMin, longSum, doubleSum");
        assert_eq!(hint("a", &["a"]), "did you mean `a`? there is only a");
    }
}
