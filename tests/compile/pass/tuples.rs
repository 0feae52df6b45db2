//! What can be a tuple: structs with and without fields, enums, generic ones.
// Some are only declared.
#![allow(dead_code)]

use squall::{Text, Tuple, key::Key, tuple::Field};

#[derive(Tuple, Clone, Debug)]
pub struct Named {
    pub r#type: Text,
    user_id: u64,
}

#[derive(Tuple, Clone, Debug)]
pub struct Pair(pub u64, pub u64);

#[derive(Tuple, Clone, Debug)]
pub struct Tick;

#[derive(Tuple, Clone, Debug)]
pub enum Shape {
    Circle { radius: u64 },
    Square(u64),
}

#[derive(Tuple, Clone, Debug)]
pub struct Tagged<V, const N: usize>
where
    V: Ord,
{
    pub value: V,
    pub tags: [Text; N],
}

/// A library that gives this one on.
mod given {
    pub use ::squall as streams;
}

#[derive(Tuple, Clone, Debug)]
#[tuple(crate = "given::streams")]
pub struct Elsewhere {
    pub word: Text,
}

pub fn main() {
    const KEY: Field<Named, 1> = Named::USER_ID;
    let named = Named {
        r#type: "a".into(),
        user_id: 7,
    };
    assert_eq!(*KEY.value(&named), 7);
    assert_eq!(
        Key::<Named>::fields(&(Named::TYPE, KEY)),
        ["type", "user_id"]
    );
    assert_eq!(Elsewhere::FIELDS, ["word"]);
    assert!(Pair::FIELDS.is_empty() && Tick::FIELDS.is_empty() && Shape::FIELDS.is_empty());
    assert_eq!(Tagged::<u64, 2>::FIELDS, ["value", "tags"]);
    let (_, _) = (Shape::Circle { radius: 1 }, Shape::Square(2));
    let tagged = Tagged {
        value: 3_u64,
        tags: ["x".into()],
    };
    assert_eq!(*Tagged::<u64, 1>::VALUE.value(&tagged), 3);
}
