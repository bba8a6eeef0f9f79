//! Parameters of a statement. Every value carries its type, also when it is NULL: PostgreSQL wants to know.

use types::{Id, Mode, Timestamp};
use uuid::Uuid;

/// One bound parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Bool(Option<bool>),
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Uuid(Option<Uuid>),
}

/// Turns values into the parameters of a statement, in the order of `$1`, `$2`, ….
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => { vec![$($crate::Value::from($value)),*] };
}

macro_rules! value_from {
    ($($source:ty => $variant:ident, $value:ident -> $convert:expr;)*) => {
        $(
            impl From<$source> for Value {
                fn from($value: $source) -> Value {
                    Value::$variant(Some($convert))
                }
            }
            impl From<Option<$source>> for Value {
                fn from(value: Option<$source>) -> Value {
                    Value::$variant(value.map(|$value| $convert))
                }
            }
        )*
    };
}

value_from! {
    bool => Bool, v -> v;
    i64 => Int, v -> v;
    i32 => Int, v -> i64::from(v);
    u32 => Int, v -> i64::from(v);
    Timestamp => Int, v -> v.as_micros();
    String => Text, v -> v;
    &str => Text, v -> v.to_owned();
    &String => Text, v -> v.clone();
    Mode => Text, v -> v.as_str().to_owned();
    Vec<u8> => Bytes, v -> v;
    &[u8] => Bytes, v -> v.to_vec();
    Uuid => Uuid, v -> v;
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(bytes: [u8; N]) -> Value {
        Value::Bytes(Some(bytes.to_vec()))
    }
}

impl<K> From<Id<K>> for Value {
    fn from(id: Id<K>) -> Value {
        Value::Uuid(Some(id.uuid()))
    }
}

impl<K> From<Option<Id<K>>> for Value {
    fn from(id: Option<Id<K>>) -> Value {
        Value::Uuid(id.map(|id| id.uuid()))
    }
}
