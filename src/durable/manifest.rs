//! Whose state it is: what is stored of a topology, and whether another one may take it over.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::meaning::{Difference, Meaning};
use crate::state::{AcrossTasks, Shape};
use crate::text::Shown;

/// The topology that a data directory belongs to, as far as its state depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The topology's name.
    pub topology: String,
    /// The components by id; those that keep nothing and state no meaning are left out.
    pub components: BTreeMap<String, KeptComponent>,
}

/// What a data directory knows of a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KeptComponent {
    /// How many tasks it has.
    pub tasks: usize,
    /// What its inputs are grouped by, as `fields(word)`; empty for spouts.
    pub grouped_by: Vec<String>,
    /// Whether state by key belongs to the shards of the keys, and not to the task.
    pub by_shard: bool,
    /// Whether it is a sink, whose state tells what it has delivered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sink: bool,
    /// Its states by name.
    pub states: BTreeMap<String, Shape>,
    /// What its code says that its results mean.
    #[serde(default, skip_serializing_if = "Meaning::is_none")]
    pub meaning: Meaning,
    /// What was stated of them where it was added to the topology.
    #[serde(default, skip_serializing_if = "Meaning::is_none")]
    pub stated: Meaning,
}

impl KeptComponent {
    /// Everything that is known of what its results mean.
    #[must_use]
    pub fn whole_meaning(&self) -> Meaning {
        self.meaning.clone().and(self.stated.clone())
    }
}

/// Why a topology cannot go on with what is stored in a data directory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the topology does not fit the state in `{dir}`: {mistakes}{remedy}",
    mistakes = mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    remedy = self.remedy()
)]
#[non_exhaustive]
pub struct Misfit {
    /// The data directory.
    pub dir: String,
    /// Every way in which it does not fit.
    pub mistakes: Vec<MisfitOf>,
}

/// One way in which a topology does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MisfitOf {
    /// It is another topology.
    Topology {
        /// The name of the one that is stored.
        stored: String,
        /// The name of this one.
        found: String,
    },
    /// A component, or one of its states, is gone.
    Gone {
        /// The component.
        component: String,
        /// The state; none where the whole component is gone.
        state: Option<String>,
    },
    /// Something is not what it was.
    Changed {
        /// The component.
        component: String,
        /// What has changed: the state `totals`, the grouping, the parallelism.
        what: String,
        /// As it is stored.
        stored: String,
        /// As the topology has it.
        found: String,
    },
    /// Its results would mean something else from here on.
    Meaning {
        /// The component.
        component: String,
        /// What differs, by the names that lead to it: `time_field`, `window.length_ms`.
        path: String,
        /// What is stored of it, as JSON; none where nothing is.
        stored: Option<String>,
        /// What the topology says of it, as JSON; none where it says nothing.
        found: Option<String>,
    },
}

impl Misfit {
    /// What to do where results would mean something else; the other mistakes say it each.
    fn remedy(&self) -> String {
        let mut mistakes = self.mistakes.iter();
        if !mistakes.any(|mistake| matches!(mistake, MisfitOf::Meaning { .. })) {
            return String::new();
        }
        format!(
            ". Results of both would be mixed: go back to the stored ones; or give another data \
             directory; or delete all state with `squall reset {}`, so that the input is read \
             from its beginning",
            self.dir
        )
    }
}

impl fmt::Display for MisfitOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topology { stored, found } => write!(
                f,
                "it holds the state of the topology `{stored}`, and this one is `{found}`: give \
                 each topology its own directory"
            ),
            Self::Gone {
                component,
                state: None,
            } => write!(
                f,
                "it holds state of the component `{component}`, which the topology does not have: \
                 add it again, or delete its state with `squall reset DIR --component \
                 {component}`"
            ),
            Self::Gone {
                component,
                state: Some(state),
            } => write!(
                f,
                "it holds the state `{state}` of `{component}`, which the component does not keep \
                 any more: add it again, or delete its state with `squall reset DIR --component \
                 {component}`"
            ),
            Self::Changed {
                component,
                what,
                stored,
                found,
            } => write!(
                f,
                "{what} of `{component}` is stored as {stored}, but the topology has {found}: \
                 change it back, or delete the state with `squall reset DIR --component \
                 {component}`"
            ),
            Self::Meaning {
                component,
                path,
                stored,
                found,
            } => {
                let or_nothing = |side: &Option<String>| match side {
                    Some(value) => value.clone(),
                    None => "not stated".to_owned(),
                };
                let (stored, found) = (or_nothing(stored), or_nothing(found));
                let (component, path) = (Shown(component), Shown(path));
                let (stored, found) = (Shown(stored), Shown(found));
                write!(
                    f,
                    "`{component}`: {path} is {stored} there, and {found} in this topology"
                )
            }
        }
    }
}

impl Manifest {
    /// Whether `self` can go on with what is stored of `before`; `units` tells how many
    /// units of tasks a state has stored.
    ///
    /// # Errors
    /// Every way in which it does not fit.
    pub(crate) fn follows(
        &self,
        before: &Self,
        dir: &str,
        units: impl Fn(&str, &str) -> usize,
    ) -> Result<(), Misfit> {
        let mut mistakes = Vec::new();
        if self.topology != before.topology {
            mistakes.push(MisfitOf::Topology {
                stored: before.topology.clone(),
                found: self.topology.clone(),
            });
        }
        for (id, stored) in &before.components {
            match self.components.get(id) {
                // What it has delivered stays known, for a run that has it again.
                None if stored.sink => {}
                None if stored.states.is_empty() => {
                    let differences = stored.whole_meaning().differences(&Meaning::none());
                    mistakes.extend(differences.into_iter().map(means_otherwise(id)));
                }
                None => mistakes.push(MisfitOf::Gone {
                    component: id.clone(),
                    state: None,
                }),
                Some(found) => compare(id, stored, found, &units, &mut mistakes),
            }
        }
        if mistakes.is_empty() {
            return Ok(());
        }
        Err(Misfit {
            dir: dir.to_owned(),
            mistakes,
        })
    }
}

fn means_otherwise(component: &str) -> impl Fn(Difference) -> MisfitOf {
    move |difference| MisfitOf::Meaning {
        component: component.to_owned(),
        path: difference.path,
        stored: difference.one,
        found: difference.other,
    }
}

fn compare(
    component: &str,
    stored: &KeptComponent,
    found: &KeptComponent,
    units: impl Fn(&str, &str) -> usize,
    mistakes: &mut Vec<MisfitOf>,
) {
    let mut changed = |what: String, stored: String, found: String| {
        if stored != found {
            mistakes.push(MisfitOf::Changed {
                component: component.to_owned(),
                what,
                stored,
                found,
            });
        }
    };
    // What keeps nothing may be grouped otherwise from now on.
    if !stored.states.is_empty() {
        let groupings = |component: &KeptComponent| component.grouped_by.join(" and ");
        changed(
            "the grouping".to_owned(),
            groupings(stored),
            groupings(found),
        );
    }
    for (name, shape) in &stored.states {
        let Some(now) = found.states.get(name) else {
            continue;
        };
        changed(
            format!("the state `{name}`"),
            shape.to_string(),
            now.to_string(),
        );
        let by_task = !(shape.by_key && stored.by_shard);
        let fixed = now.tasks == AcrossTasks::Fixed && !found.grouped_by.is_empty();
        if by_task && fixed && stored.tasks != found.tasks && units(component, name) > 1 {
            changed(
                format!("the parallelism (its state `{name}` belongs to the tasks)"),
                format!("{} tasks", stored.tasks),
                format!("{} tasks", found.tasks),
            );
        }
    }
    let meanings = [
        (&stored.meaning, &found.meaning),
        (&stored.stated, &found.stated),
    ];
    for (stored, found) in meanings {
        // Where nothing was stated, nothing is known to be otherwise.
        if !stored.is_none() {
            let differences = stored.differences(found);
            mistakes.extend(differences.into_iter().map(means_otherwise(component)));
        }
    }
    for name in stored.states.keys() {
        if !found.states.contains_key(name) {
            mistakes.push(MisfitOf::Gone {
                component: component.to_owned(),
                state: Some(name.clone()),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(change: impl FnOnce(&mut KeptComponent)) -> Manifest {
        let shape = Shape {
            kind: "table".to_owned(),
            key: "Text".to_owned(),
            value: "u64".to_owned(),
            by_key: true,
            tasks: AcrossTasks::Fixed,
        };
        let mut component = KeptComponent {
            tasks: 4,
            grouped_by: vec!["fields(word)".to_owned()],
            by_shard: true,
            sink: false,
            states: BTreeMap::from([("totals".to_owned(), shape)]),
            meaning: Meaning::none(),
            stated: Meaning::none(),
        };
        change(&mut component);
        Manifest {
            topology: "words".to_owned(),
            components: BTreeMap::from([("counts".to_owned(), component)]),
        }
    }

    fn said(after: &Manifest, before: &Manifest) -> String {
        let misfit = after.follows(before, "data", |_, _| 4);
        misfit.map_or_else(|misfit| misfit.to_string(), |()| "fits".to_owned())
    }

    #[test]
    fn parallelism_may_change_where_state_moves_with_its_shards() {
        let before = manifest(|_| {});
        assert_eq!(said(&manifest(|counts| counts.tasks = 8), &before), "fits");
        let by_task = |tasks| {
            manifest(|counts| {
                counts.by_shard = false;
                counts.tasks = tasks;
            })
        };
        assert_eq!(
            said(&by_task(8), &by_task(4)),
            "the topology does not fit the state in `data`: the parallelism (its state `totals` \
             belongs to the tasks) of `counts` is stored as 4 tasks, but the topology has 8 \
             tasks: change it back, or delete the state with `squall reset DIR --component \
             counts`"
        );
    }

    #[test]
    fn both_sides_of_a_change_are_named() {
        let before = manifest(|_| {});
        let other = manifest(|counts| {
            counts.grouped_by = vec!["fields(user)".to_owned()];
            if let Some(shape) = counts.states.get_mut("totals") {
                shape.value = "String".to_owned();
            }
        });
        let said = said(&other, &before);
        assert!(
            said.contains("fields(word), but the topology has fields(user)"),
            "{said}"
        );
        assert!(
            said.contains(
                "`totals` of `counts` is stored as a table of Text to u64, but the topology has a \
                 table of Text to String"
            ),
            "{said}"
        );
    }

    #[test]
    fn what_only_states_a_meaning_may_be_grouped_otherwise() {
        let grouped = |by: &str| {
            manifest(|counts| {
                counts.states.clear();
                counts.grouped_by = vec![by.to_owned()];
                counts.meaning = Meaning::of(&serde_json::json!({"least": 1}));
            })
        };
        assert_eq!(said(&grouped("shuffle"), &grouped("fields(word)")), "fits");
    }

    #[test]
    fn what_is_gone_is_named_and_what_is_new_fits() {
        let mut more = manifest(|_| {});
        let counts = more.components["counts"].clone();
        more.components.insert("others".to_owned(), counts);
        assert_eq!(said(&more, &manifest(|_| {})), "fits");
        let gone = said(&manifest(|_| {}), &more);
        assert!(gone.contains("state of the component `others`"), "{gone}");
        assert!(
            gone.contains("squall reset DIR --component others"),
            "{gone}"
        );
    }

    #[test]
    fn results_that_would_mean_something_else_are_refused_with_both_sides() {
        let meaning = |value: serde_json::Value| {
            manifest(|counts| {
                counts.meaning = Meaning::of(&serde_json::json!({"window_ms": 60_000}));
                counts.stated = Meaning::of(&value);
            })
        };
        let before = meaning(serde_json::json!({"field": "a", "split": "words"}));
        assert_eq!(said(&before, &before), "fits");
        let after = meaning(serde_json::json!({"field": "b", "least": 1}));
        assert_eq!(
            said(&after, &before),
            "the topology does not fit the state in `data`: `counts`: field is \"a\" there, and \
             \"b\" in this topology; `counts`: least is not stated there, and 1 in this topology; \
             `counts`: split is \"words\" there, and not stated in this topology. Results of both \
             would be mixed: go back to the stored ones; or give another data directory; or \
             delete all state with `squall reset data`, so that the input is read from its \
             beginning"
        );
        let nothing = manifest(|_| {});
        assert_eq!(said(&before, &nothing), "fits", "it stated nothing before");
        let says = said(&nothing, &before);
        assert!(
            says.contains("window_ms is 60000 there, and not stated"),
            "{says}"
        );
    }

    #[test]
    fn a_component_that_only_means_something_is_missed_and_a_sink_is_not() {
        let gone = Manifest {
            topology: "words".to_owned(),
            ..Manifest::default()
        };
        let filter = manifest(|counts| {
            counts.states.clear();
            counts.stated = Meaning::of(&serde_json::json!({"least": 5}));
        });
        let says = said(&gone, &filter);
        assert!(
            says.contains("`counts`: least is 5 there, and not stated"),
            "{says}"
        );
        assert_eq!(said(&gone, &manifest(|counts| counts.sink = true)), "fits");
    }
}
