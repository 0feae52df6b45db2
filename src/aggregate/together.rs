//! Several aggregations of the same inputs.

use serde::Serialize;

use super::{AggregateError, Aggregator, Retract};
use crate::meaning::Meaning;

/// What is stated of several, in their order.
#[derive(Serialize)]
struct Together {
    together: Vec<Meaning>,
}

/// Changes the parts in order. Where one of them fails, those before it are put back: of all but
/// the last a copy is made, so what is large belongs at the end.
macro_rules! all_or_none {
    ($partial:ident: $($index:tt $change:expr),*; last $last:expr) => {{
        let before = ($($partial.$index.clone(),)*);
        let changed = (|| {
            $($change?;)*
            $last
        })();
        if changed.is_err() {
            $($partial.$index = before.$index;)*
        }
        changed
    }};
}

macro_rules! aggregators {
    ($first:ident 0 $(, $name:ident $index:tt)*; last $last:ident $at:tt) => {
        /// All of them at once, of the same inputs. An input is taken in by all or by none:
        /// before each the partials of all but the last are copied, so a sketch belongs at the
        /// end.
        impl<$first, $($name,)* $last> Aggregator for ($first, $($name,)* $last)
        where
            $first: Aggregator,
            $($name: Aggregator<Input = $first::Input>,)*
            $last: Aggregator<Input = $first::Input>,
        {
            type Input = $first::Input;
            type Partial = ($first::Partial, $($name::Partial,)* $last::Partial);
            type Output = ($first::Output, $($name::Output,)* $last::Output);

            fn meaning(&self) -> Meaning {
                Meaning::of(&Together {
                    together: vec![
                        self.0.meaning(),
                        $(self.$index.meaning(),)*
                        self.$at.meaning(),
                    ],
                })
            }

            fn empty(&self) -> Self::Partial {
                (self.0.empty(), $(self.$index.empty(),)* self.$at.empty())
            }

            #[inline]
            fn add(
                &self,
                partial: &mut Self::Partial,
                input: &Self::Input,
            ) -> Result<(), AggregateError> {
                all_or_none!(partial:
                    0 self.0.add(&mut partial.0, input)
                    $(, $index self.$index.add(&mut partial.$index, input))*;
                    last self.$at.add(&mut partial.$at, input))
            }

            fn merge(
                &self,
                partial: &mut Self::Partial,
                other: &Self::Partial,
            ) -> Result<(), AggregateError> {
                all_or_none!(partial:
                    0 self.0.merge(&mut partial.0, &other.0)
                    $(, $index self.$index.merge(&mut partial.$index, &other.$index))*;
                    last self.$at.merge(&mut partial.$at, &other.$at))
            }

            fn finish(&self, partial: &Self::Partial) -> Self::Output {
                (
                    self.0.finish(&partial.0),
                    $(self.$index.finish(&partial.$index),)*
                    self.$at.finish(&partial.$at),
                )
            }
        }

        impl<$first, $($name,)* $last> Retract for ($first, $($name,)* $last)
        where
            $first: Retract,
            $($name: Retract<Input = $first::Input>,)*
            $last: Retract<Input = $first::Input>,
        {
            fn unmerge(
                &self,
                partial: &mut Self::Partial,
                other: &Self::Partial,
            ) -> Result<(), AggregateError> {
                all_or_none!(partial:
                    0 self.0.unmerge(&mut partial.0, &other.0)
                    $(, $index self.$index.unmerge(&mut partial.$index, &other.$index))*;
                    last self.$at.unmerge(&mut partial.$at, &other.$at))
            }
        }
    };
}

aggregators!(A 0; last B 1);
aggregators!(A 0, B 1; last C 2);
aggregators!(A 0, B 1, C 2; last D 3);
