//! What to do about a name that nobody knows.

use squall::text::{Shown, nearest};

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
        let meant = "did you mean `longSum`? there are longMin, longSum, doubleSum";
        assert_eq!(hint("lonSum", &names), meant);
        assert_eq!(hint("xyz", &names), "there are longMin, longSum, doubleSum");
        assert_eq!(hint("A", &["a"]), "did you mean `a`? there is only a");
    }
}
