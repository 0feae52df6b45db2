//! What the derive writes is fine in a crate that is strict, and whose names are unusual.
#![deny(warnings, missing_docs, clippy::pedantic, unreachable_pub)]
#![forbid(unsafe_code)]

use squall::Tuple;

mod diagnostic {
    //! A module of the name by which the compiler knows hints of its own.

    /// A measurement.
    #[derive(squall::Tuple, Clone, Debug)]
    pub(crate) struct Reading {
        pub(crate) r#type: u64,
    }
}

mod other {
    //! A tuple of a name that is there already.

    /// Another measurement.
    #[derive(squall::Tuple, Clone, Debug)]
    pub(crate) struct Reading {
        pub(crate) at: u64,
    }
}

/// A tuple named as C would.
#[allow(non_camel_case_types)]
#[derive(Tuple, Clone, Debug)]
struct small_reading<T> {
    value: T,
}

/// A tuple that serde writes and cannot read for as long as a tuple lives.
#[derive(Tuple, Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Named {
    name: &'static str,
}

pub(crate) fn main() {
    let reading = diagnostic::Reading { r#type: 1 };
    assert_eq!(reading.r#type, 1);
    assert_eq!(diagnostic::Reading::FIELDS, ["type"]);
    let reading = other::Reading { at: 2 };
    assert_eq!((reading.at, other::Reading::FIELDS), (2, ["at"].as_slice()));
    let small = small_reading { value: 3_u64 };
    assert_eq!(
        (small.value, small_reading::<u64>::FIELDS),
        (3, ["value"].as_slice())
    );
    assert!(Named::wire().is_none(), "it cannot be read back");
    assert_eq!(Named { name: "a" }.name, "a");
}
