//! Rows as types of ours, described once for both databases: a row type derives serde's `Deserialize`,
//! and its fields are the statement's columns in their order. Names are compared as well, in the first
//! row, so a field cannot get another's column. A struct within a struct takes the next columns, and
//! so does a tuple. Nothing here knows a table or runs a statement.

use std::fmt::{self, Display};

use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

/// A row, or the value of an only column, that both databases can return.
pub trait Row: DeserializeOwned + Send + 'static {}
impl<T> Row for T where T: DeserializeOwned + Send + 'static {}

/// What is wrong with a row.
#[derive(Debug)]
pub struct Unfit(String);

impl Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Unfit {}

impl Unfit {
    pub(super) fn because(reason: impl Display) -> Self {
        Self(reason.to_string())
    }
}

impl de::Error for Unfit {
    fn custom<T: Display>(reason: T) -> Self {
        Self::because(reason)
    }
}

/// A column's value in one row.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'de> {
    Null,
    Bool(bool),
    Int(i64),
    Real(f64),
    Text(&'de str),
    Bytes(&'de [u8]),
}

/// A row as a driver gives it.
pub(super) trait Columns {
    fn count(&self) -> usize;
    fn name(&self, index: usize) -> &str;
    fn cell(&self, index: usize) -> Result<Cell<'_>, Unfit>;
}

/// A row as its type. `compare` says whether to compare the names of fields and columns.
pub(super) fn read<R: Row>(columns: &impl Columns, compare: bool) -> Result<R, Unfit> {
    R::deserialize(&mut Reader { columns, next: 0, field: None, compare })
}

/// Reads column after column.
struct Reader<'de, C> {
    columns: &'de C,
    next: usize,
    /// The field that gets the next column; none in a tuple.
    field: Option<&'static str>,
    compare: bool,
}

impl<'de, C: Columns> Reader<'de, C> {
    fn take(&mut self) -> Result<Cell<'de>, Unfit> {
        let index = self.next;
        if index >= self.columns.count() {
            return Err(Unfit(format!("there is no column {index}")));
        }
        if self.compare
            && let Some(field) = self.field
            && field != self.columns.name(index)
        {
            let name = self.columns.name(index);
            return Err(Unfit(format!("column {index} is {name:?}, not {field:?}")));
        }
        self.next += 1;
        self.columns.cell(index).map_err(|Unfit(why)| Unfit(format!("column {index}: {why}")))
    }
}

impl<'de, C: Columns> Deserializer<'de> for &mut Reader<'de, C> {
    type Error = Unfit;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.take()?.deserialize_any(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.take()?.deserialize_bool(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.take()?.deserialize_option(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        visitor.visit_seq(Fields { reader: self, names: &[], left })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        visitor.visit_seq(Fields { reader: self, names, left: names.len() })
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple_struct map enum identifier ignored_any
    }
}

/// The fields of a struct or tuple.
struct Fields<'a, 'de, C> {
    reader: &'a mut Reader<'de, C>,
    /// Of those that are left; none of a tuple.
    names: &'static [&'static str],
    left: usize,
}

impl<'de, C: Columns> SeqAccess<'de> for Fields<'_, 'de, C> {
    type Error = Unfit;

    /// Without a column left, a field gets its default, if it has one.
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unfit> {
        if self.left == 0 || self.reader.next >= self.reader.columns.count() {
            return Ok(None);
        }
        self.left -= 1;
        self.reader.field = self.names.split_off_first().copied();
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

impl<'de> Deserializer<'de> for Cell<'de> {
    type Error = Unfit;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Int(value) => visitor.visit_i64(value),
            Self::Real(value) => visitor.visit_f64(value),
            Self::Text(value) => visitor.visit_str(value),
            Self::Bytes(value) => visitor.visit_bytes(value),
        }
    }

    /// SQLite has no booleans.
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self {
            Self::Int(value) => visitor.visit_bool(value != 0),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self {
            Self::Null => visitor.visit_none(),
            some => visitor.visit_some(some),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
